package dispatch

import (
	"context"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/dispatcher/internal/inflight"
)

// fixedLanes are lanes whose state is given.
type fixedLanes struct{ busy, overflow bool }

func (l fixedLanes) Busy(string) (busy, overflow bool)                               { return l.busy, l.overflow }
func (fixedLanes) Put(context.Context, delivery.Delivery, int) error                 { return nil }
func (fixedLanes) Schedule(context.Context, delivery.Delivery, int, time.Time) error { return nil }
func (fixedLanes) Remove(context.Context, string) error                              { return nil }

// What waits in a lane because of a failure goes first; what only came too fast
// is passed by whoever finds a free place.
func TestOnlyAFailureKeepsLaterDeliveriesInLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		lanes fixedLanes
		waits bool
	}{
		{"nothing waits", fixedLanes{}, false},
		{"what came too fast", fixedLanes{busy: true, overflow: true}, false},
		{"what waits after a failure", fixedLanes{busy: true}, true},
	} {
		d := &Dispatcher{Lanes: c.lanes}
		if why := d.mustWait(webhook.Webhook{ID: "wh_1"}); (why != "") != c.waits {
			t.Errorf("%s: %q", c.name, why)
		}
	}
}

func TestAFreePlaceIsTakenPastAnOverflow(t *testing.T) {
	t.Parallel()
	webhooks := inflight.NewWebhooks(inflight.Limits{Total: 512, PerWebhook: 2, Patience: time.Minute})
	d := &Dispatcher{Lanes: fixedLanes{busy: true, overflow: true}, Webhooks: webhooks}
	answered := func(id string, took time.Duration) {
		webhooks.Enter(id)
		webhooks.Leave(id, took)
	}
	answered("slow", 100*time.Millisecond)
	for range 2 {
		if !d.enter("slow") {
			t.Error("a free place was not taken")
		}
	}
	if d.enter("slow") {
		t.Error("there was no place")
	}

	answered("fast", time.Microsecond)
	for range 2 {
		if !d.enter("fast") {
			t.Error("a free place was not taken")
		}
	}
	entered := make(chan bool)
	go func() { entered <- d.enter("fast") }() // it keeps up, and is waited for
	webhooks.Leave("fast", time.Microsecond)
	if !<-entered {
		t.Error("a webhook that keeps up was not waited for")
	}
}
