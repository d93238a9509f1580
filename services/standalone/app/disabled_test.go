package app_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/hooklab/receiver"
)

// Three failures in a row disable a webhook: nothing more is sent, the platform
// gets a notice, and events are held until the owner enables it, and chooses whether
// they are delivered (specification, sections 5.4, 5.7 and 5.8).
func TestADisabledWebhookHoldsItsEventsUntilItsOwnerChooses(t *testing.T) {
	t.Parallel()
	const held, failures = 5, 3
	for _, c := range []struct {
		choice    any
		delivered int
		status    string // of what was held, in the log
	}{
		{map[string]string{"heldEvents": "deliver"}, held, "delivered"},
		{map[string]string{"heldEvents": "discard"}, 0, "skipped"},
		{nil, held, "delivered"}, // which is the default
	} {
		t.Run(fmt.Sprint(c.choice), func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.receiver.Set("/hook", receiver.Statuses(http.StatusServiceUnavailable))
			id := s.create(t, "acme", "/hook")
			f := s.watch(t, "acme")
			s.publish(t, "acme")
			f.until(t, "the automatic disabling", change(id, "auto_disabled"))
			for range held - 1 {
				s.publish(t, "acme")
			}
			f.untilHeld(t, held)
			if n := s.receiver.Counts("/hook").Requests; n != failures {
				t.Errorf("%d requests were made, want %d", n, failures)
			}
			if n := s.notices(t, 1); len(n) != 1 || n[0].Kind != webhook.NoticeAutoDisabled || n[0].WebhookID != id {
				t.Errorf("noticed %+v", n)
			}

			s.receiver.Set("/hook", receiver.OK())
			w := s.call(t, http.MethodPost, "acme/webhooks/"+id+"/enable", c.choice, http.StatusOK)
			if w["status"] != "active" || w["failureCount"] != 0.0 || w["nextAttemptAt"] != nil || w["disabledReason"] != nil {
				t.Errorf("enabled: %v", w)
			}
			s.publish(t, "acme") // what happens from now on is sent either way
			for range c.delivered + 1 {
				f.until(t, "a delivery", func(e told) bool { return e.name == "delivery" && e.data.Status == "delivered" })
			}
			f.untilHeld(t, 0)
			if n, want := s.receiver.Counts("/hook").Requests, uint64(failures+c.delivered+1); n != want {
				t.Errorf("%d requests were made, want %d", n, want)
			}
			for status, want := range map[string]int{"held": 0, "retrying": 0, "failed": 0, c.status: held} {
				if status == "delivered" {
					want++
				}
				log := s.call(t, http.MethodGet, "acme/webhooks/"+id+"/deliveries?status="+status, nil, http.StatusOK)
				if list, _ := log["data"].([]any); len(list) != want {
					t.Errorf("%d deliveries are %s, want %d", len(list), status, want)
				}
			}
		})
	}
}
