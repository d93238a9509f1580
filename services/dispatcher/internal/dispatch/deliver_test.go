package dispatch

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/dispatcher/internal/inflight"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
	"github.com/dialnote/webhooks/services/dispatcher/internal/record"
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
	enter := func(id string) <-chan bool {
		answered := make(chan bool, 1)
		d.enter(id, func(entered bool) inflight.Next {
			answered <- entered
			return inflight.Next{}
		}).Run()
		return answered
	}
	answered := func(id string, took time.Duration) {
		webhooks.TryEnter(id)
		webhooks.Leave(id, took)
	}
	answered("slow", 100*time.Millisecond)
	for range 2 {
		if !<-enter("slow") {
			t.Error("a free place was not taken")
		}
	}
	if <-enter("slow") {
		t.Error("there was no place")
	}

	answered("fast", time.Microsecond)
	for range 2 {
		if !<-enter("fast") {
			t.Error("a free place was not taken")
		}
	}
	entered := enter("fast") // it keeps up, and is waited for
	webhooks.Leave("fast", time.Microsecond).Run()
	if !<-entered {
		t.Error("a webhook that keeps up was not waited for")
	}
}

// finder finds one webhook, or none.
type finder struct{ found *match.Target }

func (finder) Match(context.Context, string, event.Type) ([]*match.Target, error) { return nil, nil }

func (f finder) Find(context.Context, string, string) (*match.Target, error) { return f.found, nil }

// courier notes what it is given.
type courier struct{ did string }

func (c *courier) CarryThen(_ context.Context, _ *match.Target, _ delivery.Delivery, _ int, slot *inflight.Slot, then record.Then) inflight.Next {
	c.did = "sent"
	slot.Free()
	then(delivery.Step{Decision: delivery.Decision{Action: delivery.Done}}, nil)
	return inflight.Next{}
}

func (c *courier) DeclineThen(_ context.Context, _ *match.Target, _ delivery.Delivery, result delivery.Result, _ string, then record.Then) {
	c.did = string(result)
	then(delivery.Step{}, nil)
}

// What is sent goes to the webhook of the moment it is sent, not to that of the
// moment its event was matched.
func TestAWebhookThatChangedWhileADeliveryWaitedForItsTurn(t *testing.T) {
	t.Parallel()
	calls := webhook.Webhook{ID: "wh_1", Event: webhook.SendCallLogs}
	notes, off, stopped := calls, calls, calls
	notes.Event, off.Event = webhook.SendNotes, webhook.Disabled
	stopped.Health.AutoDisabled = webhook.DisabledForFailures
	for _, c := range []struct {
		name string
		now  *match.Target
		want string
	}{
		{"as it was", &match.Target{Webhook: calls}, "sent"},
		{"with another event", &match.Target{Webhook: notes}, "skipped"},
		{"disabled by hand", &match.Target{Webhook: off}, "skipped"},
		{"disabled automatically", &match.Target{Webhook: stopped}, "deferred"},
		{"deleted", nil, ""},
	} {
		webhooks := inflight.NewWebhooks(inflight.Limits{Total: 8, PerWebhook: 2, Patience: time.Minute})
		done := &courier{}
		d := &Dispatcher{Matcher: finder{c.now}, Carrier: done, Lanes: fixedLanes{}, Webhooks: webhooks, Log: slog.New(slog.DiscardHandler)}
		slots := inflight.NewSlots(1)
		slot, err := slots.Take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		before := &match.Target{Webhook: calls}
		told := 0
		d.Deliver(t.Context(), before, delivery.Delivery{WebhookID: "wh_1", EventType: event.CallCompleted}, stream.NotRedelivered, slot, func(err error) {
			told++
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		}).Run()
		if told != 1 {
			t.Errorf("%s: was told %d times what became of it", c.name, told)
		}
		if c.want == "sent" {
			webhooks.Leave("wh_1", time.Millisecond) // the courier's to do
		}
		if done.did != c.want || webhooks.InFlight() != 0 {
			t.Errorf("%s: it was %q, want %q; %d in flight", c.name, done.did, c.want, webhooks.InFlight())
		}
	}
}
