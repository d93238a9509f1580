package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/services/config-api/internal/api"
	"github.com/dialnote/webhooks/services/config-api/internal/live"
)

const (
	// beatEvery is how often a stream shows that it is alive when nothing
	// happens: before proxies cut it off, and so that a reader that has vanished
	// is noticed.
	beatEvery = 15 * time.Second

	// sendTime bounds one write to a stream: a reader that has vanished, or does
	// not read, holds nothing for longer.
	sendTime = 10 * time.Second

	// streamTime is how long a stream lasts. Whoever connects again is
	// authenticated again.
	streamTime = 30 * time.Minute

	// A browser connects again after a time from retryFrom on, spread over as
	// long again, so that a restart does not bring them all at once.
	retryFrom = 2 * time.Second
)

// WatchChanges answers GET /v1/organizations/{org}/changes.
func (s *server) WatchChanges(c echo.Context, org api.Org) error {
	if c.Request().Method == http.MethodHead {
		openStream(c)
		return nil
	}
	l, err := s.Live.Listen(c.Request().Context(), org)
	if err != nil {
		return fmt.Errorf("watch changes: %w", err)
	}
	defer l.Close()
	// The server bounds the reading of a request; this one is read, and its
	// connection is only listened to for the caller's leaving.
	_ = http.NewResponseController(c.Response()).SetReadDeadline(time.Time{}) // not every writer can
	openStream(c)
	w := &eventWriter{response: c.Response(), control: http.NewResponseController(c.Response().Writer)}
	w.field("retry", fmt.Append(nil, (retryFrom+rand.N(retryFrom)).Milliseconds())) //nolint:gosec // spreading load is no secret
	w.end()
	w.follow(c.Request().Context(), l)
	return nil
}

// openStream answers the head of a stream.
func openStream(c echo.Context) {
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	c.Response().WriteHeader(http.StatusOK)
}

// eventWriter writes server-sent events until a write fails.
type eventWriter struct {
	response io.Writer
	control  *http.ResponseController
	err      error
}

// follow writes what l is told, until the caller leaves, the listener or the
// stream's time ends.
func (w *eventWriter) follow(ctx context.Context, l *live.Listener) {
	beat, last := time.NewTicker(beatEvery), time.NewTimer(streamTime)
	defer beat.Stop()
	defer last.Stop()
	defer w.allow() // the server ends the answer after this, and the last write may be long ago
	for w.err == nil {
		select {
		case e, more := <-l.Events():
			if !more {
				if l.Slow() {
					w.event(live.Event{Resync: live.Slow})
					w.flush()
				}
				return
			}
			w.event(e)
			if len(l.Events()) == 0 {
				w.flush()
			}
			beat.Reset(beatEvery)
		case <-beat.C:
			w.field("", nil)
			w.end()
			w.flush()
		case <-last.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// event writes one event.
func (w *eventWriter) event(e live.Event) {
	name, data := presentEvent(e)
	text, err := json.Marshal(data)
	if err != nil {
		w.err = fmt.Errorf("write event %s: %w", name, err)
		return
	}
	w.field("event", []byte(name))
	w.field("data", text)
	w.end()
}

// field writes a line; one without a name is a comment. JSON has no line breaks.
func (w *eventWriter) field(name string, value []byte) {
	line := append([]byte(name), ':')
	if len(value) > 0 {
		line = append(append(line, ' '), value...)
	}
	w.write(append(line, '\n'))
}

// end ends an event.
func (w *eventWriter) end() { w.write([]byte("\n")) }

func (w *eventWriter) write(text []byte) {
	if w.err == nil {
		w.allow()
		_, w.err = w.response.Write(text)
	}
}

// allow gives what is written next its time.
func (w *eventWriter) allow() {
	_ = w.control.SetWriteDeadline(time.Now().Add(sendTime)) // not every writer can
}

func (w *eventWriter) flush() {
	if w.err == nil {
		w.err = w.control.Flush()
	}
}

// presentEvent returns an event's name and data as the API shows them.
func presentEvent(e live.Event) (name string, data any) {
	switch {
	case e.Delivery != nil:
		return "delivery", presentDeliveryChange(e.Delivery)
	case e.Webhook != nil:
		return "webhook", presentWebhookChange(e.Webhook)
	default:
		return "resync", api.ChangesResync{Reason: api.ResyncReason(e.Resync)}
	}
}

func presentWebhookChange(w *live.WebhookChange) api.WebhookChange {
	change := api.WebhookChange{ID: w.ID, Changes: make([]api.ChangeKind, 0, len(w.Changes))}
	for _, kind := range w.Changes {
		change.Changes = append(change.Changes, api.ChangeKind(kind))
	}
	if w.View != nil {
		shown := present(*w.View)
		change.Webhook = &shown
	}
	return change
}

func presentDeliveryChange(a *stream.RecordedAttempt) api.DeliveryChange {
	d := api.DeliveryChange{
		WebhookID:  a.WebhookID,
		DeliveryID: a.DeliveryID,
		EventID:    a.EventID,
		EventType:  api.EventType(a.EventType),
		Status:     api.DeliveryStatus(a.Status),
		Test:       a.Test,
		Attempt:    a.Number,
		DurationMs: max(0, a.EndedAt.Sub(a.StartedAt).Milliseconds()),
		At:         a.EndedAt.UTC(),
	}
	if a.Reason != "" {
		reason := api.FailureReason(a.Reason)
		d.Reason = &reason
	}
	if a.StatusCode != 0 {
		d.StatusCode = &a.StatusCode
	}
	return d
}
