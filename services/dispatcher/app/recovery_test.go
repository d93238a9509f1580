package app_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/store/storetest"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/proto"
)

// A replica died between recording an outcome and acknowledging the event: the
// event comes again, and the log knows how far its delivery was.
func TestAnEventThatComesAgainGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	r := newReceiver(t, nil)
	w := s.webhook(t, "acme", r.url)
	s.publish(t, "acme", "evt_delivered", "evt_failed", "evt_fresh")
	s.handOut(t, 3)
	s.record(t, w, "evt_delivered", storetest.Succeeded(w, time.Now(), time.Millisecond))
	refused := storetest.Failed(w, time.Now(), time.Millisecond)
	refused.Outcome.Reason = delivery.ReasonClientError
	s.record(t, w, "evt_failed", refused)

	replica := s.run(t, config(100, 100))
	s.awaitStatus(t, w, delivery.StatusDelivered, "evt_failed", "evt_fresh")
	replica.stop() // what it holds is finished
	want := map[string]int{"evt_failed": 1, "evt_fresh": 1}
	if got := r.counts(); len(got) != len(want) || got["evt_failed"] != 1 || got["evt_fresh"] != 1 {
		t.Errorf("the receiver saw %v, want %v", got, want)
	}
	wantNumbers(t, s, w, "evt_delivered", 1)
	wantNumbers(t, s, w, "evt_failed", 1, 2)
	wantNumbers(t, s, w, "evt_fresh", 1)
}

// handOut takes n events and gives them back: they have been handed out once.
func (s *system) handOut(t *testing.T, n int) {
	t.Helper()
	events, err := s.conn.EventsOf(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	got, err := events.Pull(t.Context(), n, patience, func(m *stream.Message) {
		if err := m.Return(0); err != nil {
			t.Error(err)
		}
	})
	if got != n || err != nil {
		t.Fatalf("pulled %d events, %v; want %d", got, err, n)
	}
}

// record records an attempt of an event's delivery, as a replica did.
func (s *system) record(t *testing.T, w webhook.Webhook, eventID string, a delivery.Attempt) {
	t.Helper()
	a.EventID, a.DeliveryID = eventID, delivery.ID(w.ID, eventID)
	if _, err := s.store.Record(t.Context(), config(100, 100).Policy, []delivery.Attempt{a}); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsNoLongerWantedIsSkipped(t *testing.T) {
	t.Parallel()
	for name, setting := range map[string]webhook.Setting{"another event": webhook.SendNotes, "disabled": webhook.Disabled} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			s.run(t, config(never))
			r := newReceiver(t, status(http.StatusServiceUnavailable))
			w := s.webhook(t, "acme", r.url)
			s.publish(t, "acme", "evt_1")
			s.awaitHealth(t, w, "the webhook is on hold", webhook.Health.OnHold)
			s.awaitHeld(t, w, 1)
			s.enlane(t, w, "evt_2", "evt_3")
			r.answer(nil)
			s.update(t, w, func(w *webhook.Webhook) { w.Event, w.Health = setting, w.Health.EndHold() })
			s.awaitStatus(t, w, delivery.StatusSkipped, "evt_1", "evt_2", "evt_3")
			s.awaitHeld(t, w, 0)
			if got := r.ids(); !slices.Equal(got, []string{"evt_1"}) {
				t.Errorf("the receiver saw %v", got)
			}
		})
	}
}

func TestADeletedWebhooksLaneIsRemoved(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	replica := s.run(t, config(never))
	r := newReceiver(t, status(http.StatusServiceUnavailable))
	w := s.webhook(t, "acme", r.url)
	s.publish(t, "acme", "evt_1")
	s.awaitHealth(t, w, "the webhook is on hold", webhook.Health.OnHold)
	s.awaitHeld(t, w, 1)
	s.enlane(t, w, "evt_2", "evt_3")
	if _, err := s.store.Delete(t.Context(), storetest.By(), "acme", w.ID, 0); err != nil {
		t.Fatal(err)
	}
	s.announce(t, w)
	s.awaitHeld(t, w, 0)
	s.publish(t, "acme", "evt_4")
	replica.stop()
	if got := r.ids(); !slices.Equal(got, []string{"evt_1"}) {
		t.Errorf("the receiver saw %v", got)
	}
}

// The broker restarts and the database is away, while events are published and
// delivered: all of them arrive, and the replica is the same.
func TestNothingIsLostWhileABrokerRestartsAndADatabaseIsAway(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	replica := s.run(t, config(200, 200, 200, 200))
	r := newReceiver(t, nil)
	w := s.webhook(t, "acme", r.url)
	ids := names("traffic", 300)
	s.publish(t, "acme", ids[:100]...)
	s.warm(t, w)
	replica.awaitRest(t)

	s.store.away.Store(true)
	s.publish(t, "acme", ids[100:150]...)
	await(t, "events are delivered from the cache", func() bool { return contains(r.ids(), ids[:110]) })
	s.nats.Stop()
	s.store.away.Store(false)
	s.nats.Restart(t)
	s.publish(t, "acme", ids[150:200]...)
	s.nats.Stop()
	s.nats.Restart(t)
	s.publish(t, "acme", ids[200:]...)

	// What was on its way when the broker stopped is handed out again when the
	// time of the one who should have got it is up.
	await(t, "every event arrives", func() bool { return contains(r.ids(), ids) })
	s.awaitStatus(t, w, delivery.StatusDelivered, ids...)
	s.awaitHeld(t, w, 0)
	select {
	case err := <-replica.ended:
		t.Errorf("the replica ended: %v", err)
	default:
	}
	twice := 0
	for _, n := range r.counts() {
		twice += n - 1
	}
	t.Logf("%d events came twice, of %d", twice, len(ids))
}

// awaitRest waits until the replica reads nothing that waits for its webhook: for
// that it needs the database.
func (r *replica) awaitRest(t *testing.T) {
	t.Helper()
	await(t, "nothing that waits is read", func() bool { return r.gauge(t, "lanes_open")+r.gauge(t, "webhooks_drained") == 0 })
}

// warm publishes events until the webhook's organization is in the cache.
func (s *system) warm(t *testing.T, w webhook.Webhook) {
	t.Helper()
	for i := 0; ; i++ {
		before := s.store.reads.Load()
		id := fmt.Sprintf("evt_warm_%d", i)
		s.publish(t, w.OrganizationID, id)
		s.awaitStatus(t, w, delivery.StatusDelivered, id)
		if s.store.reads.Load() == before {
			return
		}
	}
}

// contains reports whether every one of want is in list.
func contains(list, want []string) bool {
	have := make(map[string]bool, len(list))
	for _, id := range list {
		have[id] = true
	}
	for _, id := range want {
		if !have[id] {
			return false
		}
	}
	return true
}

// What waits in a lane that a killed replica read is found by a replica that has
// never read it.
func TestAKilledReplicasLanesAreFoundAgain(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	killed := s.run(t, config(1000, never))
	r := newReceiver(t, status(http.StatusServiceUnavailable))
	w := s.webhook(t, "acme", r.url)
	ids := names("lane", 5)
	s.publish(t, "acme", ids[0])
	s.awaitHealth(t, w, "the webhook is on hold", webhook.Health.OnHold)
	s.awaitHeld(t, w, 1)
	for _, id := range ids[1:] {
		s.publish(t, "acme", id)
		await(t, id+" is known", func() bool { return s.known(t, w, id) })
	}
	killed.kill()
	r.answer(nil)
	s.update(t, w, func(w *webhook.Webhook) { w.Health = w.Health.EndHold() }) // as a new URL does
	s.run(t, config(1000, never))
	s.awaitStatus(t, w, delivery.StatusDelivered, ids...)
	s.awaitHeld(t, w, 0)
}

// Two replicas read the same lanes: a hold is obeyed by both, and there is one
// probe at a time.
func TestTwoReplicasObeyOneHold(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	cfg := config(500, 500, 500, 500)
	s.run(t, cfg)
	s.run(t, cfg)
	const failures = 4
	r := newReceiver(t, first(failures, status(http.StatusBadGateway)))
	w := s.webhook(t, "acme", r.url)
	ids := names("two", 40)
	s.publish(t, "acme", ids[0])
	s.awaitHealth(t, w, "the webhook is on hold", webhook.Health.OnHold)
	s.publish(t, "acme", ids[1:]...)
	s.awaitStatus(t, w, delivery.StatusDelivered, ids...)
	hits := r.all()
	wantOneAtATime(t, hits[:failures+1])
	for i := range failures {
		wantPause(t, fmt.Sprintf("before probe %d", i+1), hits[i+1].begin.Sub(hits[i].end), 500*time.Millisecond)
	}
	if got := len(hits); got != len(ids)+failures {
		t.Errorf("%d requests were made, want %d", got, len(ids)+failures)
	}
	s.awaitHeld(t, w, 0)
}

// Of the webhooks that get one event, eight hang. The ninth gets each event while
// their requests are still unanswered.
func TestAnEventsWebhooksDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	replica := s.run(t, config(never))
	slow, fast := newReceiver(t, hang), newReceiver(t, nil)
	t.Cleanup(replica.kill) // before the receivers wait for its requests to end
	var all []webhook.Webhook
	for range 8 {
		all = append(all, s.webhook(t, "acme", slow.url))
	}
	last := s.webhook(t, "acme", fast.url)
	for i := range 3 {
		s.publish(t, "acme", fmt.Sprintf("evt_%d", i))
		await(t, "the fast one has it", func() bool { return len(fast.all()) == i+1 })
	}
	s.awaitStatus(t, last, delivery.StatusDelivered, "evt_0", "evt_1", "evt_2")
	await(t, "the others were tried too", func() bool { return len(slow.all()) >= len(all) })
	if n := slow.inFlight(); n != len(slow.all()) {
		t.Errorf("%d of %d requests hang", n, len(slow.all()))
	}
}

// An organization's webhooks cannot be read, and it has more events than there are
// slots. Another organization's events are delivered.
func TestABrokenOrganizationDoesNotDelayOthers(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.store.broken.Store("broken", true)
	cfg := config(never)
	cfg.MaxInFlight, cfg.WebhookMaxInFlight = 16, 4
	s.run(t, cfg)
	r := newReceiver(t, nil)
	w := s.webhook(t, "acme", r.url)
	s.publish(t, "broken", names("broken", 40)...)
	s.publish(t, "acme", names("good", 20)...)
	s.awaitStatus(t, w, delivery.StatusDelivered, names("good", 20)...)
}

// A stop finishes what is in flight and records it.
func TestAStopFinishesWhatIsInFlight(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	replica := s.run(t, config(never))
	arrived, release := make(chan struct{}, 1), make(chan struct{})
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		arrived <- struct{}{}
		<-release
		w.WriteHeader(http.StatusOK)
	})
	w := s.webhook(t, "acme", r.url)
	s.publish(t, "acme", "evt_1")
	<-arrived
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		replica.stop()
	}()
	select {
	case <-stopped:
		t.Error("the replica stopped with a request in flight")
	case <-time.After(50 * time.Millisecond): // it only gives a wrong stop its chance
	}
	close(release)
	<-stopped
	wantNumbers(t, s, w, "evt_1", 1)
	s.run(t, config(never))
	s.publish(t, "acme", "evt_2")
	<-arrived
	s.awaitStatus(t, w, delivery.StatusDelivered, "evt_2")
	if got := r.ids(); !slices.Equal(got, []string{"evt_1", "evt_2"}) {
		t.Errorf("the receiver saw %v", got)
	}
}

// An event of an unknown type goes to the rejected stream, and the event after it
// is delivered.
func TestAnEventOfAnUnknownTypeDoesNotDelayOthers(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.run(t, config(never))
	r := newReceiver(t, nil)
	w := s.webhook(t, "acme", r.url)
	e := event.Sample(event.CallCompleted, "acme", "evt_1", time.Now())
	e.Type = "call.unheard"
	if err := s.conn.Publish(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	s.publish(t, "acme", "evt_2")
	s.awaitStatus(t, w, delivery.StatusDelivered, "evt_2")
	await(t, "the other is rejected", func() bool { return len(s.nats.Stored(t, proto.StreamRejected)) == 1 })
	if got := r.ids(); !slices.Equal(got, []string{"evt_2"}) {
		t.Errorf("the receiver saw %v", got)
	}
}
