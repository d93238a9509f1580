package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/services/config-api/internal/api"
	"github.com/dialnote/webhooks/services/config-api/internal/live"
	"github.com/dialnote/webhooks/services/config-api/internal/sse"
)

// streamTime is how long a stream lasts. A caller that reconnects is
// authenticated again.
const streamTime = 30 * time.Minute

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
	openStream(c)
	ctx, cancel := context.WithTimeout(c.Request().Context(), streamTime)
	defer cancel()
	w := newEventWriter(c)
	write := func(e live.Event) { w.WriteJSON(presentEvent(e)) }
	if closed := sse.Serve(ctx, w, l.Events(), nil, write); closed && l.Slow() {
		write(live.Event{Resync: live.Slow})
	}
	return nil
}

// openStream sends the header of an event stream.
func openStream(c echo.Context) {
	sse.SetHeader(c.Response().Header())
	c.Response().WriteHeader(http.StatusOK)
}

// newEventWriter returns a writer of events into the response. echo counts what
// is written; its own Flush would hide that the connection is lost.
func newEventWriter(c echo.Context) *sse.Writer {
	return sse.NewWriter(c.Response(), http.NewResponseController(c.Response().Writer))
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
