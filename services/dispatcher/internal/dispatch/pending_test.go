package dispatch

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/egress"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/dispatcher/internal/limit"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
)

// pair is two webhooks of one organization; the first answers when answer is closed.
type pair struct {
	now
	answer chan struct{}
	sent   atomic.Int64
}

func (p *pair) Send(_ context.Context, r egress.Request) delivery.Outcome {
	p.sent.Add(1)
	if strings.Contains(r.URL, "example.com") {
		<-p.answer
	}
	return delivery.Outcome{Result: delivery.Succeeded}
}

func (p *pair) All(context.Context, string) ([]webhook.Webhook, error) { return p.webhooks(), nil }

func (p *pair) webhooks() []webhook.Webhook {
	other := calls
	other.ID, other.URL = "wh_2", "https://example.org"
	return []webhook.Webhook{calls, other}
}

// event returns an event that goes to both, its webhooks, and whether it may be
// acknowledged when it has ended.
func (p *pair) event(t *testing.T, matcher *match.Matcher, slots int) (pending *pendingEvent, targets []*match.Target, done chan bool) {
	t.Helper()
	d := p.dispatcher(t, nil, matcher) // needs no broker
	d.Deliverer.Sender = p
	d.Slots = limit.NewSlots(slots)
	p.slots = d.Slots
	var err error
	targets, err = matcher.Match(t.Context(), "acme", event.CallCompleted)
	if err != nil || len(targets) != 2 {
		t.Fatalf("matched %d, %v", len(targets), err)
	}
	e := event.Event{OrganizationID: "acme", Type: event.CallCompleted, ID: "evt_1"}
	done = make(chan bool, 1)
	return &pendingEvent{dispatcher: d, message: &stream.Message{}, lot: limit.NewBacklog(10).Lot(), event: e, finished: func(safe bool) { done <- safe }}, targets, done
}

// An event is acknowledged when each of its deliveries is recorded.
func TestAnEventWaitsForEachOfItsDeliveries(t *testing.T) {
	t.Parallel()
	p := &pair{}
	matcher := matcherOf(t, p)
	synctest.Test(t, func(t *testing.T) {
		p.answer = make(chan struct{})
		pending, targets, done := p.event(t, matcher, 2)
		slot, err := p.slots.Take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		pending.dispatcher.Workers.Do(func() limit.Job { return pending.deliver(t.Context(), targets, nil, slot) })
		synctest.Wait()
		if n := p.sent.Load(); n != 2 || len(done) > 0 {
			t.Errorf("%d requests were made; the event is done with: %t", n, len(done) > 0)
		}
		close(p.answer)
		if !<-done {
			t.Error("the event may not be acknowledged")
		}
		pending.dispatcher.Workers.Stop()
	})
}

// A stop comes when one of two deliveries is recorded and the other has no slot:
// the event must come again.
func TestAnEventWithoutASlotForEachDeliveryComesAgain(t *testing.T) {
	t.Parallel()
	p := &pair{}
	matcher := matcherOf(t, p)
	synctest.Test(t, func(t *testing.T) {
		p.answer = make(chan struct{})
		close(p.answer)
		pending, targets, done := p.event(t, matcher, 1)
		slot, err := p.slots.Take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = p.slots.Take(t.Context()) }() // another event waits for the slot before this one
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		pending.dispatcher.Workers.Do(func() limit.Job { return pending.deliver(ctx, targets, nil, slot) })
		synctest.Wait()
		if n := p.sent.Load(); n != 1 || p.used != 1 || len(done) > 0 {
			t.Errorf("%d requests were made; %d slots are used; the event is done with: %t", n, p.used, len(done) > 0)
		}
		cancel()
		if <-done {
			t.Error("the event may be acknowledged although a delivery was not made")
		}
		pending.dispatcher.Workers.Stop()
	})
}
