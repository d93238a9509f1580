package app_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// Many webhooks hang at once, each with more events than it may have in flight:
// the requests stay within both limits, and the replica never has more messages
// than places.
func TestBothLimitsHold(t *testing.T) {
	t.Parallel()
	const webhooks, events = 40, 10
	s := newSystem(t)
	cfg := config(never)
	cfg.MaxInFlight, cfg.WebhookMaxInFlight = 64, 4
	replica := s.run(t, cfg)
	release := make(chan struct{})
	free := sync.OnceFunc(func() { close(release) })
	t.Cleanup(free)
	var (
		receivers []*receiver
		hooks     []webhook.Webhook
	)
	all := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		<-release
		w.WriteHeader(http.StatusNoContent)
	})
	for i := range webhooks {
		one := newReceiver(t, all.ServeHTTP) // counted by itself, and with the others
		receivers = append(receivers, one)
		hooks = append(hooks, s.webhook(t, fmt.Sprintf("org_%d", i), one.url))
	}
	ids := names("limit", events)
	for _, w := range hooks {
		s.publish(t, w.OrganizationID, ids...)
	}
	within := func() {
		t.Helper()
		if used, limit := replica.gauge(t, "slots_used"), replica.gauge(t, "slots_limit"); used > limit {
			t.Fatalf("%v places of %v are taken", used, limit)
		}
	}
	await(t, "all others wait in their lanes", func() bool {
		within()
		held := int64(0)
		for _, w := range hooks {
			held += s.held(t, w)
		}
		return held >= int64(webhooks*events-cfg.MaxInFlight) && all.inFlight() > cfg.WebhookMaxInFlight
	})
	free()
	for i, w := range hooks {
		s.awaitStatus(t, w, delivery.StatusDelivered, ids...)
		within()
		if n := receivers[i].atOnce(); n > cfg.WebhookMaxInFlight {
			t.Errorf("one webhook had %d requests in flight, more than %d", n, cfg.WebhookMaxInFlight)
		}
	}
	if n := all.atOnce(); n > cfg.MaxInFlight {
		t.Errorf("%d requests were in flight, more than %d", n, cfg.MaxInFlight)
	}
}

// One organization has as many webhooks as it may have, and all of them hang: the
// webhook of another, which is not fast either, gets its events meanwhile.
func TestAnOrganizationsSlowWebhooksLeavePlacesToOthers(t *testing.T) {
	t.Parallel()
	const webhooks, share = 100, 192 // half of what slow webhooks may have of 512 places
	s := newSystem(t)
	cfg := config(never)
	cfg.DeliveryTimeout = 2 * patience // what hangs does not end by itself
	replica := s.run(t, cfg)
	release := make(chan struct{})
	hanging := newReceiver(t, func(http.ResponseWriter, *http.Request) { <-release })
	t.Cleanup(sync.OnceFunc(func() { close(release) }))
	for range webhooks {
		s.webhook(t, "greedy", hanging.url)
	}
	s.publish(t, "greedy", names("greedy", 10)...)
	await(t, "its attempts have its share", func() bool { return hanging.inFlight() == share })

	slow := newReceiver(t, func(http.ResponseWriter, *http.Request) { <-time.After(400 * time.Millisecond) })
	other := s.webhook(t, "other", slow.url)
	ids := names("other", 40)
	s.publish(t, "other", ids...)
	s.awaitStatus(t, other, delivery.StatusDelivered, ids...)
	if n := hanging.atOnce(); n > share {
		t.Errorf("one organization had %d requests in flight, more than %d", n, share)
	}
	if n := replica.heldBack(t, "deliveries", "share", "refused"); n == 0 {
		t.Error("nothing is counted as held back")
	}
}
