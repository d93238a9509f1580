package httpapi

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/services/config-api/internal/api"
	"github.com/dialnote/webhooks/services/config-api/internal/eventfeed"
	"github.com/dialnote/webhooks/services/config-api/internal/sse"
)

// FollowEvents answers GET /v1/organizations/{org}/events.
func (s *server) FollowEvents(c echo.Context, org api.Org, p api.FollowEventsParams) error {
	if c.Request().Method == http.MethodHead {
		openStream(c)
		return nil
	}
	var after *uint64
	if p.LastEventID != nil {
		sequence, err := s.Places.Sequence(org, *p.LastEventID)
		if err != nil {
			return err
		}
		after = &sequence
	}
	f, err := s.Feed.Subscribe(c.Request().Context(), org, event.Type(valueOf(p.Type)), after)
	if err != nil {
		return err
	}
	defer f.Close()
	openStream(c)
	ctx, cancel := context.WithTimeout(c.Request().Context(), streamTime)
	defer cancel()
	w := newEventWriter(c)
	begun, err := s.Places.Text(org, f.After)
	if err != nil {
		return err
	}
	w.Write(sse.Event{ID: begun, Name: "begun", Data: []byte("{}")})
	sse.Serve(ctx, w, f.Events, nil, func(e eventfeed.Event) {
		place, err := s.Places.Text(org, e.Sequence)
		if err != nil {
			cancel() // the reader goes on after the place before
			return
		}
		w.Write(sse.Event{ID: place, Name: "event", Data: e.Body()})
	})
	return nil
}
