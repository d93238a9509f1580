package stream_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/natstest"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/proto"
)

// The events have a bound: what is over it is refused and says why, the server goes on
// as before, and events are stored again when there is room.
func TestAFullStreamOfEventsRefusesAndGoesOn(t *testing.T) {
	t.Parallel()
	for name, always := range map[string]bool{"one by one": false, "together": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := natstest.Start(t)
			c, err := stream.Connect(stream.Settings{URL: srv.ClientURL(), Name: t.Name(), SyncsAlways: always}, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Close)
			bounded := topology()
			bounded.Events = 4 << 10
			if err := c.Ensure(t.Context(), bounded); err != nil {
				t.Fatal(err)
			}
			var refused error
			stored := 0
			for refused == nil && stored < 1000 {
				if refused = c.Publish(t.Context(), sample(t, event.NewID(time.Now()))); refused == nil {
					stored++
				}
			}
			if f := fault.Of(refused); f.Kind != fault.Unavailable || f.Code != "no-room-for-events" || !strings.Contains(f.Detail, "old events have left") {
				t.Fatalf("after %d events: %v", stored, refused)
			}
			if err := c.Serving(t.Context()); err != nil {
				t.Errorf("a full stream makes the service not ready: %v", err)
			}
			if kept := srv.Stored(t, proto.StreamEvents); len(kept) != stored {
				t.Errorf("%d of %d accepted events are kept", len(kept), stored)
			}
			for _, what := range []string{"the first", "what is removed already"} {
				if err := c.RemoveEvent(t.Context(), proto.StreamEvents, 1); err != nil {
					t.Errorf("%s: %v", what, err)
				}
			}
			if err := c.Publish(t.Context(), sample(t, event.NewID(time.Now()))); err != nil {
				t.Errorf("there is room and the event is refused: %v", err)
			}
		})
	}
}
