package httpapi

import (
	"context"
	"net/http"
	"strconv"

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
	openStream(c)
	ctx, cancel := context.WithTimeout(c.Request().Context(), streamTime)
	defer cancel()
	w := newEventWriter(c)
	w.Write(sse.Event{ID: sse.Sequence(f.After), Name: "begun", Data: []byte("{}")})
	sse.Serve(ctx, w, f.Events, nil, func(e eventfeed.Event) {
		w.Write(sse.Event{ID: sse.Sequence(e.Sequence), Name: "event", Data: e.Body()})
	})
	return nil
}
