package app_test

import (
	"slices"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/store/storetest"
)

// NATS was restored from a backup: the event stream gives sequences again that an
// ordered webhook takes for those of events before its first. Its events are not
// lost.
func TestAnOrderedWebhookBeyondTheStream(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	r := newReceiver(t, nil)
	w := storetest.Webhook("acme")
	w.URL, w.OrderedFrom, w.CreatedAt, w.UpdatedAt = r.url, 1000, time.Now().Add(-time.Hour), time.Now().Add(-time.Hour)
	w = s.create(t, w)
	young := storetest.Webhook("acme")
	young.URL, young.OrderedFrom, young.CreatedAt, young.UpdatedAt = newReceiver(t, nil).url, 1000, time.Now(), time.Now()
	young = s.create(t, young)
	s.run(t, config(never))
	ids := names("restored", 5)
	s.publish(t, "acme", ids...)
	s.awaitStatus(t, w, delivery.StatusDelivered, ids...)
	got := r.ids()
	slices.Sort(got)
	if !slices.Equal(got, ids) {
		t.Errorf("the receiver saw %v", got)
	}
	if n := s.held(t, young); n != 0 || len(s.attempts(t, young, ids[0])) > 0 {
		t.Error("a webhook that was just made got an event from before")
	}
}
