package queue

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/stream"
)

// A lane that another replica has left is read.
func TestALaneThatWasFoundIsRead(t *testing.T) {
	t.Parallel()
	pulling, stop := context.WithCancel(t.Context())
	silent := make(chan struct{})
	l := NewLanes((&database{reading: func() { <-silent }}).parts(t), 1)
	l.pulling, l.work = pulling, pulling
	l.enqueue(t)
	if err := l.sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !l.Reads("wh_1") {
		t.Error("it is not read")
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
	large := delivery.Delivery{ID: "dlv_1", WebhookID: "wh_1", OrganizationID: "acme", EventID: strings.Repeat("e", 2<<20)}
	retry := delivery.Decision{Action: delivery.Retry, At: time.Now().Add(time.Hour)}
	if err := l.Settle(t.Context(), large, 1, retry); !errors.As(err, new(*stream.RefusedError)) {
		t.Errorf("%v: %v", retry, err)
	}
}
