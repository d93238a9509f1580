package app_test

import (
	"fmt"
	"testing"

	"github.com/dialnote/webhooks/pkg/webhook"
)

// Many webhooks hang at the same time, with more events than they may have in
// flight: a healthy one gets its events while every one of those requests is
// still unanswered (specification, section 5.10).
func TestWebhooksThatHangDoNotDelayOthers(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]int{
		"from their first event": 0,
		"after they were fast":   20, // events, as when the one provider of them all goes away
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const webhooks, events = 16, 120
			s := newSystem(t)
			replica := s.run(t, config(never))
			slow, fast := newReceiver(t, nil), newReceiver(t, nil)
			t.Cleanup(replica.kill) // before the receivers wait for its requests to end
			s.warm(t, s.webhook(t, "well", fast.url))
			var hanging []webhook.Webhook
			for i := range webhooks {
				hanging = append(hanging, s.webhook(t, fmt.Sprintf("org_%d", i), slow.url))
			}
			for i := range before {
				for _, w := range hanging {
					s.publish(t, w.OrganizationID, fmt.Sprintf("evt_before_%d", i))
				}
			}
			await(t, "all have answered", func() bool { return len(slow.all()) == before*webhooks && slow.inFlight() == 0 })
			slow.answer(hang)
			for i := range events {
				for _, w := range hanging {
					s.publish(t, w.OrganizationID, fmt.Sprintf("evt_%d", i))
				}
			}
			for _, id := range names("well", 50) {
				n := len(fast.all())
				s.publish(t, "well", id)
				await(t, "the healthy one has it", func() bool { return len(fast.all()) > n })
			}
			if n := slow.inFlight(); n < webhooks || n != len(slow.all())-before*webhooks {
				t.Errorf("%d of %d requests hang: nothing was shown", n, len(slow.all()))
			}
			if used, limit := replica.gauge(t, "slots_used"), replica.gauge(t, "slots_limit"); used > limit {
				t.Errorf("%v places of %v are taken", used, limit)
			}
		})
	}
}
