package app_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/store/storetest"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// What waits for its turn with an ordered webhook is listed as held, like
// everything that waits, and is recorded as skipped when its turn will not come
// (specification, sections 5.9 and 7).
func TestWhatAnOrderedWebhookHasNotReachedIsListed(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"behind one that is on its way": hang,
		"behind one that failed":        status(http.StatusBadRequest),
		"on hold":                       status(http.StatusServiceUnavailable),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			replica := s.run(t, config(never))
			r := newReceiver(t, answer)
			t.Cleanup(replica.kill) // before the receiver waits for its request to end
			w := storetest.Webhook("acme")
			w.URL, w.OrderedFrom = r.url, 1
			w = s.create(t, w)
			ids := names("turn", 5)
			s.publish(t, "acme", ids[0])
			await(t, "the first is sent", func() bool { return len(r.all()) == 1 })
			s.publish(t, "acme", ids[1:]...)
			for _, id := range ids[1:] {
				await(t, id+" is listed as held", func() bool {
					all := s.entries(t, w, id)
					return len(all) == 1 && all[0].Status == delivery.StatusHeld
				})
			}
			s.awaitHeld(t, w, int64(len(ids)))
			if _, err := s.store.SkipHeld(t.Context(), w.OrganizationID, w.ID, time.Now(), "Skipped."); err != nil {
				t.Fatal(err)
			}
			s.awaitStatus(t, w, delivery.StatusSkipped, ids[1:]...)
		})
	}
}

// entries returns all that is recorded of an event's delivery.
func (s *system) entries(t *testing.T, w webhook.Webhook, eventID string) []store.LoggedAttempt {
	t.Helper()
	all, err := s.store.Attempts(t.Context(), w.OrganizationID, w.ID, delivery.ID(w.ID, eventID))
	if err != nil && !fault.Is(err, fault.NotFound) {
		t.Fatal(err)
	}
	return all
}

// What has its turn at once has no entry that says that it waited.
func TestWhatHasItsTurnAtOnceDidNotWait(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.run(t, config(never))
	r := newReceiver(t, nil)
	w := storetest.Webhook("acme")
	w.URL, w.OrderedFrom = r.url, 1
	w = s.create(t, w)
	for _, id := range names("alone", 5) {
		s.publish(t, "acme", id)
		s.awaitStatus(t, w, delivery.StatusDelivered, id)
		await(t, "its place is empty", func() bool { return s.held(t, w) == 0 })
		if all := s.entries(t, w, id); len(all) != 1 {
			t.Errorf("%s has %d entries", id, len(all))
		}
	}
	if h := s.get(t, w).Health; h.AutoDisabled != webhook.NotAutoDisabled || h.FailureCount != 0 {
		t.Errorf("its health is %+v", h)
	}
}
