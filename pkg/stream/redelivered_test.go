package stream_test

import (
	"maps"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/natstest"
	"github.com/dialnote/webhooks/pkg/stream"
)

// A broker that crashed may have forgotten what it had handed out: every event
// that was stored before this connection may be a redelivery, and no later one.
func TestEventsFromBeforeTheConnectionMayComeAgain(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	c := connect(t, srv)
	if err := c.Ensure(t.Context(), topology()); err != nil {
		t.Fatal(err)
	}
	publish := func(ids ...string) {
		t.Helper()
		for _, id := range ids {
			if err := c.Publish(t.Context(), sample(t, id)); err != nil {
				t.Fatal(err)
			}
		}
	}
	publish("evt_before")
	events, err := c.EventsOf(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	again := make(map[string]stream.Redelivered)
	pull := func(n int) {
		t.Helper()
		got := 0
		await(t, func() bool {
			came, err := events.Pull(t.Context(), n-got, 100*time.Millisecond, func(m *stream.Message) {
				e, err := m.Event()
				if err != nil {
					t.Error(err)
				}
				again[e.ID] = m.Redelivered
				if err := m.Ack(); err != nil {
					t.Error(err)
				}
			})
			if err != nil { // the broker was away
				t.Log(err)
			}
			got += came
			return got >= n
		})
	}
	pull(1)
	publish("evt_after")
	pull(1)
	publish("evt_waits")
	srv.Stop()
	srv.Restart(t)
	await(t, func() bool { return c.Ready(t.Context()) == nil })
	pull(1)
	publish("evt_anew")
	pull(1)
	want := map[string]stream.Redelivered{
		"evt_before": stream.MaybeRedelivered, "evt_after": stream.NotRedelivered, "evt_waits": stream.MaybeRedelivered, "evt_anew": stream.NotRedelivered,
	}
	if !maps.Equal(again, want) {
		t.Errorf("came again: %v, want %v", again, want)
	}
}
