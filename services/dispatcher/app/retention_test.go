package app_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/store/storetest"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// What waits longer than events are kept is not sent, but recorded as skipped
// (specification, section 5.7): in a lane, and in an ordered webhook's place.
func TestWhatWaitsLongerThanEventsAreKeptIsSkipped(t *testing.T) {
	t.Parallel()
	for name, from := range map[string]uint64{"in a lane": 0, "in order": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			cfg := config(never)
			cfg.Policy.AutoDisableAfter = 1
			replica := s.run(t, cfg)
			r := newReceiver(t, first(1, status(http.StatusServiceUnavailable)))
			w := storetest.Webhook("acme")
			w.URL, w.OrderedFrom = r.url, from
			w = s.create(t, w)
			ids := names("old", 3)
			s.publish(t, "acme", ids[0])
			s.awaitHealth(t, w, "the webhook is disabled", func(h webhook.Health) bool { return h.AutoDisabled != "" })
			s.publish(t, "acme", ids[1:]...)
			s.awaitHeld(t, w, int64(len(ids)))
			replica.stop()
			cfg.Retention = time.Nanosecond // less than anything has waited
			replica = s.run(t, cfg)
			s.update(t, w, func(w *webhook.Webhook) { w.Health = w.Health.Enable(time.Now()) })
			s.awaitStatus(t, w, delivery.StatusSkipped, ids...)
			s.awaitHeld(t, w, 0)
			replica.stop()
			s.run(t, config(never))
			s.publish(t, "acme", "evt_young")
			s.awaitStatus(t, w, delivery.StatusDelivered, "evt_young")
			if got := r.ids(); !slices.Equal(got, []string{ids[0], "evt_young"}) {
				t.Errorf("the receiver saw %v", got)
			}
		})
	}
}
