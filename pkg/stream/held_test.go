package stream_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/natstest"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// waitingFor returns the n-th delivery of a webhook.
func waitingFor(webhookID string, n int) delivery.Delivery {
	d := waiting(fmt.Sprintf("evt_%d", n))
	d.WebhookID, d.ID = webhookID, delivery.ID(webhookID, d.EventID)
	return d
}

// wait puts so many deliveries into a webhook's lane, and schedules so many
// retries.
func wait(t *testing.T, c *stream.Conn, webhookID string, inLane, scheduled int) {
	t.Helper()
	for n := range inLane {
		if err := c.Enqueue(t.Context(), waitingFor(webhookID, n), 1); err != nil {
			t.Fatal(err)
		}
	}
	for n := range scheduled {
		if err := c.EnqueueAt(t.Context(), waitingFor(webhookID, inLane+n), 1, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
}

// wantHeld fails the test unless each of these webhooks has so many waiting
// deliveries, counted as a list and by itself.
func wantHeld(t *testing.T, c *stream.Conn, want map[string]int64) {
	t.Helper()
	var ws []webhook.Webhook
	for _, id := range slices.Sorted(maps.Keys(want)) {
		ws = append(ws, webhook.Webhook{ID: id})
	}
	held, err := c.HeldEach(t.Context(), ws)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range ws {
		if held[w.ID] != want[w.ID] {
			t.Errorf("%s holds %d in the list, want %d", w.ID, held[w.ID], want[w.ID])
		}
		if alone, err := c.Held(t.Context(), w); err != nil || alone != want[w.ID] {
			t.Errorf("%s holds %d, %v; want %d", w.ID, alone, err, want[w.ID])
		}
	}
}

// A webhook's count does not depend on others' counts, nor on its place in the
// list.
func TestHeldEachCountsEveryWebhooksOwn(t *testing.T) {
	t.Parallel()
	for name, others := range map[string]int{"nothing else waits": 0, "a few others wait": 20, "many others wait": 1200} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := ensured(t)
			want := map[string]int64{"wh_a": 0, "wh_b": 0, "wh_c": 0, "wh_d": 0, "wh_": 0}
			wantHeld(t, c, want)
			for n := range others {
				wait(t, c, fmt.Sprintf("wh_a%d", n), 1, 0) // whose id begins as one's that is counted
			}
			wantHeld(t, c, want)
			random := rand.New(rand.NewPCG(8, uint64(others)))
			for _, id := range []string{"wh_d", "wh_a", "wh_b"} {
				inLane, scheduled := random.IntN(4), 1+random.IntN(4)
				wait(t, c, id, inLane, scheduled)
				want[id] = int64(inLane + scheduled)
				wantHeld(t, c, want)
			}
		})
	}
}

// A delivery that is scheduled again has one place.
func TestHeldCountsARescheduledDeliveryOnce(t *testing.T) {
	t.Parallel()
	for name, others := range map[string]int{"listed": 1, "asked": 150} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := ensured(t)
			for n := range others {
				wait(t, c, fmt.Sprintf("wh_other%d", n), 1, 0)
			}
			for attempts := range 3 {
				if err := c.EnqueueAt(t.Context(), waiting("again"), attempts, time.Now().Add(time.Hour)); err != nil {
					t.Fatal(err)
				}
			}
			wantHeld(t, c, map[string]int64{"wh_1": 1})
		})
	}
}

// An ordered webhook's events wait in the stream of events.
func TestHeldEachCountsOrderedPlaces(t *testing.T) {
	t.Parallel()
	c := ensured(t)
	for _, id := range []string{"one", "two"} {
		if err := c.Publish(t.Context(), sample(t, id)); err != nil {
			t.Fatal(err)
		}
	}
	ordered := webhook.Webhook{ID: "wh_2", OrganizationID: "acme", Event: webhook.Setting(event.CallCompleted), OrderedFrom: 1}
	if _, err := c.OpenOrdered(t.Context(), ordered, time.Time{}); err != nil {
		t.Fatal(err)
	}
	wait(t, c, "wh_2", 1, 0) // one that was redelivered
	held, err := c.HeldEach(t.Context(), []webhook.Webhook{{ID: "wh_1"}, ordered})
	if err != nil || held["wh_1"] != 0 || held["wh_2"] != 3 {
		t.Errorf("held %v, %v", held, err)
	}
}

func TestHeldOfNoWebhook(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	c := connect(t, srv)
	if held, err := c.HeldEach(t.Context(), nil); err != nil || len(held) != 0 {
		t.Errorf("%v, %v", held, err)
	}
	if _, err := c.Held(t.Context(), webhook.Webhook{ID: "wh_1"}); !fault.Is(err, fault.Unavailable) {
		t.Errorf("without the stream: %v", err)
	}
	srv.Stop()
	if _, err := c.Held(t.Context(), webhook.Webhook{ID: "wh_1"}); !fault.Is(err, fault.Unavailable) {
		t.Errorf("without the broker: %v", err)
	}
}
