package queue

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// A lane is an overflow until it is seen to wait for the webhook to be well.
func TestALaneOverflowsUntilItsWebhookFails(t *testing.T) {
	t.Parallel()
	disabled := notes
	disabled.Health.AutoDisabled = webhook.DisabledForFailures
	l := NewLanes((&database{webhooks: []webhook.Webhook{disabled}}).parts(t), 1)
	want := func(when string, wantBusy, wantOverflow bool) {
		t.Helper()
		if busy, overflow := l.Busy("wh_1"); busy != wantBusy || overflow != wantOverflow {
			t.Errorf("%s: busy %t, overflow %t", when, busy, overflow)
		}
	}
	want("it is not read", false, false)
	r := reading(&l.readers, l)
	want("it has just begun", true, true)
	r.wake.Set() // it need not wait for news
	if _, err := r.step(t.Context(), t.Context()); err != nil {
		t.Fatal(err)
	}
	want("its webhook was disabled", true, false)
}

// It is not known why deliveries wait in a lane that another replica has left: no
// delivery goes past them.
func TestALaneThatWasFoundIsNoOverflow(t *testing.T) {
	t.Parallel()
	pulling, stop := context.WithCancel(t.Context())
	silent := make(chan struct{})
	l := NewLanes((&database{reading: func() { <-silent }}).parts(t), 1)
	l.pulling, l.work = pulling, pulling
	l.enqueue(t)
	if err := l.sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if busy, overflow := l.Busy("wh_1"); !busy || overflow {
		t.Errorf("busy %t, overflow %t", busy, overflow)
	}
	stop()
	l.running.Wait()
	close(silent)
}

// A webhook that is just being created may have a delivery in its lane before its
// announcement.
func TestALaneIsNotRemovedOnTheWordOfTheCache(t *testing.T) {
	t.Parallel()
	db := &database{}
	l := NewLanes(db.parts(t), 1)
	l.cached(t)
	l.enqueue(t)
	db.set(notes)
	r := reading(&l.readers, l)
	if ended, err := r.step(t.Context(), t.Context()); ended || err != nil {
		t.Errorf("ended %t, %v", ended, err)
	}
	l.wantHeld(t, notes, 1)

	db.set()
	l.Matcher.Drop("acme")
	db.reading = func() { l.Arrived(stream.Arrival{OrganizationID: "acme", WebhookID: "wh_1"}) }
	if ended, err := r.step(t.Context(), t.Context()); ended || err != nil {
		t.Errorf("the webhook is gone, and something arrived: ended %t, %v", ended, err)
	}
	l.wantHeld(t, notes, 0)
	db.reading = nil
	if ended, err := r.step(t.Context(), t.Context()); !ended || err != nil {
		t.Errorf("the webhook is gone: ended %t, %v", ended, err)
	}
}

// A delivery that the broker refuses for good holds no slot.
func TestSettlingEndsWhenTheBrokerRefuses(t *testing.T) {
	t.Parallel()
	l := NewLanes((&database{}).parts(t), 1)
	large := delivery.Delivery{ID: "dlv_1", WebhookID: "wh_1", OrganizationID: "acme", Body: make([]byte, 2<<20)}
	for _, decided := range []delivery.Decision{{Action: delivery.Wait}, {Action: delivery.Retry, At: time.Now().Add(time.Hour)}} {
		if err := l.Settle(t.Context(), large, 1, decided); !errors.As(err, new(*stream.RefusedError)) {
			t.Errorf("%v: %v", decided, err)
		}
	}
}
