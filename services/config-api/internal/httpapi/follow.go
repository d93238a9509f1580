package httpapi

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/services/config-api/internal/api"
	"github.com/dialnote/webhooks/services/config-api/internal/eventfeed"
)

// FollowEvents answers GET /v1/organizations/{org}/events.
func (s *server) FollowEvents(c echo.Context, org api.Org, p api.FollowEventsParams) error {
	if c.Request().Method == http.MethodHead {
		openStream(c)
		return nil
	}
	var after *uint64
	if p.LastEventID != nil {
		sequence, err := strconv.ParseUint(*p.LastEventID, 10, 64)
		if err != nil {
			sequence = 0 // the document's pattern lets nothing else through but what is too great
		}
		after = &sequence
	}
	f, err := s.Feed.Subscribe(c.Request().Context(), org, event.Type(valueOf(p.Type)), after)
	if err != nil {
		return err
	}
	defer f.Close()
	// The server bounds the reading of a request; this one is read.
	_ = http.NewResponseController(c.Response()).SetReadDeadline(time.Time{}) // not every writer can
	openStream(c)
	w := &eventWriter{response: c.Response(), control: http.NewResponseController(c.Response().Writer)}
	w.field("retry", fmt.Append(nil, (retryFrom+rand.N(retryFrom)).Milliseconds())) //nolint:gosec // spreading load is no secret
	w.place("begun", f.After, []byte("{}"))
	w.flush()
	w.forward(c.Request().Context(), f)
	return nil
}

// place writes one event with its place, from which its reader can go on.
func (w *eventWriter) place(name string, sequence uint64, data []byte) {
	w.field("id", strconv.AppendUint(nil, sequence, 10))
	w.field("event", []byte(name))
	w.field("data", data)
	w.end()
}

// forward writes what comes, until the caller leaves, nothing more comes, or
// the stream's time ends.
func (w *eventWriter) forward(ctx context.Context, f *eventfeed.Subscription) {
	beat, last := time.NewTicker(beatEvery), time.NewTimer(streamTime)
	defer beat.Stop()
	defer last.Stop()
	defer w.allow() // the server ends the answer after this, and the last write may be long ago
	for w.err == nil {
		select {
		case e, more := <-f.Events:
			if !more {
				return
			}
			w.place("event", e.Sequence, e.Body())
			w.flush()
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
