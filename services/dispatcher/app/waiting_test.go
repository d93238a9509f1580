package app_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/proto"
)

// Many webhooks fail at once. What waits for them takes nothing of the broker, and
// each delivery is made once when they are well.
func TestWhatWaitsTakesNothingOfTheBroker(t *testing.T) {
	t.Parallel()
	const many = 40
	s := newSystem(t)
	replica := s.run(t, config(never))
	r := newReceiver(t, status(http.StatusServiceUnavailable))
	var webhooks []webhook.Webhook
	for range many {
		webhooks = append(webhooks, s.webhook(t, "acme", r.url))
	}
	ids := names("waits", 4)
	s.publish(t, "acme", ids[0])
	for _, w := range webhooks {
		s.awaitHealth(t, w, "the webhook is on hold", webhook.Health.OnHold)
	}
	s.publish(t, "acme", ids[1:]...)
	for _, w := range webhooks {
		s.awaitHeld(t, w, int64(len(ids)))
	}
	if in := s.nats.Stored(t, proto.StreamLanes); len(in) > 0 || replica.gauge(t, "lanes_open") > 0 {
		t.Errorf("%d messages are in lanes, %v lanes are read", len(in), replica.gauge(t, "lanes_open"))
	}
	if waiting := replica.gauge(t, "deliveries_waiting"); waiting != float64(many*len(ids)) {
		t.Errorf("%v deliveries wait by the metric", waiting)
	}
	if drained := replica.gauge(t, "webhooks_drained"); drained > 0 {
		t.Errorf("%v webhooks on hold are read", drained)
	}
	r.answer(nil)
	for _, w := range webhooks {
		s.update(t, w, func(w *webhook.Webhook) { w.Health = w.Health.EndHold() }) // as a new URL does
	}
	for _, w := range webhooks {
		s.awaitStatus(t, w, delivery.StatusDelivered, ids...)
		s.awaitHeld(t, w, 0)
	}
	if got := len(r.all()); got != many*(len(ids)+1) {
		t.Errorf("%d requests were made, want one for each delivery and one that failed for each webhook", got)
	}
	await(t, "no webhook is read", func() bool { return replica.gauge(t, "webhooks_drained") == 0 })
	for _, w := range webhooks {
		if s.get(t, w).Waiting {
			t.Errorf("webhook %s is marked as one for which deliveries wait", w.ID)
		}
	}
}

// An event that the stream no longer keeps when its turn comes is recorded as
// skipped, and does not hold up those after it.
func TestAnEventThatIsNoLongerKeptIsSkipped(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.run(t, config(never))
	r := newReceiver(t, first(1, status(http.StatusServiceUnavailable)))
	w := s.webhook(t, "acme", r.url)
	old := names("expired", 3)
	s.publish(t, "acme", old[0])
	s.awaitHealth(t, w, "the webhook is on hold", webhook.Health.OnHold)
	s.publish(t, "acme", old[1:]...)
	s.awaitHeld(t, w, int64(len(old)))
	if err := s.conn.Ensure(t.Context(), stream.Topology{Retention: 200 * time.Millisecond, Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	await(t, "the events have expired", func() bool { return len(s.nats.Stored(t, proto.StreamEvents)) == 0 })
	if err := s.conn.Ensure(t.Context(), stream.Topology{Retention: time.Hour, Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	s.publish(t, "acme", "evt_kept")
	s.update(t, w, func(w *webhook.Webhook) { w.Health = w.Health.EndHold() })
	s.awaitStatus(t, w, delivery.StatusSkipped, old...)
	s.awaitStatus(t, w, delivery.StatusDelivered, "evt_kept")
	s.awaitHeld(t, w, 0)
}

// What a killed replica was delivering of what waited is taken over by another one,
// and the rest is delivered once.
func TestWhatAKilledReplicaReadIsTakenOver(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	cfg := config(never)
	cfg.WebhookMaxInFlight = 2
	replicas := []*replica{s.run(t, cfg), s.run(t, cfg)}
	r := newReceiver(t, status(http.StatusServiceUnavailable))
	w := s.webhook(t, "acme", r.url)
	ids := names("taken", 8)
	s.publish(t, "acme", ids[0])
	s.awaitHealth(t, w, "the webhook is on hold", webhook.Health.OnHold)
	s.publish(t, "acme", ids[1:]...)
	s.awaitHeld(t, w, int64(len(ids)))
	before := len(r.all())
	r.answer(hang)
	s.update(t, w, func(w *webhook.Webhook) { w.Health = w.Health.EndHold() })
	await(t, "requests hang", func() bool { return len(r.all()) == before+cfg.WebhookMaxInFlight })
	r.answer(nil)
	for _, replica := range replicas {
		if replica.gauge(t, "webhooks_drained") > 0 {
			replica.kill()
		}
	}
	s.awaitStatus(t, w, delivery.StatusDelivered, ids...)
	s.awaitHeld(t, w, 0)
	for id, n := range r.counts() {
		if most := 3; n > most {
			t.Errorf("%s was sent %d times", id, n)
		}
	}
}
