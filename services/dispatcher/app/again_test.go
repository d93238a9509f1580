package app_test

import (
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/store/storetest"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// A replica died when an outcome was recorded and its message not acknowledged:
// whichever way the delivery comes again, it is not sent again.
func TestWhatIsRecordedIsNotSentAgain(t *testing.T) {
	t.Parallel()
	for name, from := range map[string]uint64{"out of a lane": 0, "in order": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			r := newReceiver(t, nil)
			w := storetest.Webhook("acme")
			w.URL, w.OrderedFrom = r.url, from
			w = s.create(t, w)
			s.publish(t, "acme", "evt_recorded")
			s.record(t, w, "evt_recorded", storetest.Succeeded(w, time.Now(), time.Millisecond))
			if !w.Ordered() {
				s.handOut(t, 1)
				e := event.Sample(event.CallCompleted, "acme", "evt_recorded", time.Now())
				if err := s.conn.Enqueue(t.Context(), delivery.Of(e, e.Body(), w.ID, 1, time.Now()), 1); err != nil {
					t.Fatal(err)
				}
			}
			s.run(t, config(never))
			s.publish(t, "acme", "evt_later")
			s.awaitStatus(t, w, delivery.StatusDelivered, "evt_later")
			s.awaitHeld(t, w, 0)
			wantNumbers(t, s, w, "evt_recorded", 1)
			if got := r.ids(); !slices.Equal(got, []string{"evt_later"}) {
				t.Errorf("the receiver saw %v", got)
			}
		})
	}
}

// A replica died after it had kept deliveries, and before it acknowledged their
// events. The events come again while what waits is delivered, and each is sent once.
func TestWhatWaitsIsNotSentTwice(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	release := make(chan struct{})
	r := newReceiver(t, func(http.ResponseWriter, *http.Request) { <-release })
	w := s.webhook(t, "acme", r.url)
	ids := names("aside", 4)
	s.publish(t, "acme", ids...)
	s.handOut(t, len(ids))
	for n, id := range ids {
		kept := storetest.Succeeded(w, time.Now(), 0)
		kept.Number, kept.Outcome = 0, delivery.Outcome{Result: delivery.Deferred, Message: "Held."}
		kept.EventSequence, kept.EventStored, kept.Waits = uint64(n+1), time.Now(), delivery.MayWait
		s.record(t, w, id, kept)
	}
	replica := s.run(t, config(never))
	await(t, "each is on its way, and has come again", func() bool {
		return r.inFlight() >= len(ids) && replica.gauge(t, "events_consumed_total") >= float64(len(ids))
	})
	close(release)
	s.awaitStatus(t, w, delivery.StatusDelivered, ids...)
	s.awaitHeld(t, w, 0)
	replica.stop() // what it holds is finished
	for id, n := range r.counts() {
		if n != 1 {
			t.Errorf("%s was sent %d times", id, n)
		}
	}
}

// An endpoint fails again while its lane is being emptied: what had been taken
// out and not been sent stays where it was.
func TestAnOutageWhileALaneIsEmptied(t *testing.T) {
	t.Parallel()
	const n, delivered = 400, 150
	s := newSystem(t)
	cfg := config(never)
	s.run(t, cfg)
	var requests atomic.Int64
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		if i := requests.Add(1); i == 1 || i > 1+delivered {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	w := s.webhook(t, "acme", r.url)
	s.publish(t, "acme", "evt_first")
	s.awaitHealth(t, w, "the webhook is on hold", webhook.Health.OnHold)
	s.publish(t, "acme", names("lane", n)...)
	s.awaitHeld(t, w, n+1)
	s.update(t, w, func(w *webhook.Webhook) { w.Health = w.Health.EndHold() })
	h := s.awaitHealth(t, w, "it fails again after a success", func(h webhook.Health) bool { return !h.LastSentAt.IsZero() && h.OnHold() })
	s.awaitHeld(t, w, n+1-delivered)
	if h.FailureCount != 1 {
		t.Errorf("the second outage is %d failures", h.FailureCount)
	}
	// While the first failure is on its way back, each of those that were answered
	// before it makes room for one more.
	if failed, most := len(r.all())-1-delivered, 2*cfg.WebhookMaxInFlight; failed > most {
		t.Errorf("%d requests failed, more than %d", failed, most)
	}
}

// A failure is recorded so late that its hold has passed by then. What had been
// taken out of the lane before the failure was known is no probe: one delivery
// tries the endpoint, and the others wait for it.
func TestOneProbeAfterAHoldThatPassedBeforeItWasKnown(t *testing.T) {
	t.Parallel()
	const inFlight = 4
	s := newSystem(t)
	cfg := config(50, never)
	cfg.WebhookMaxInFlight = inFlight
	replica := s.run(t, cfg)
	r := newReceiver(t, nil)
	w := s.webhook(t, "acme", r.url)
	s.warm(t, w) // only of a fast webhook more is taken out of the lane than may be in flight
	before := len(r.all())
	release := make(chan struct{})
	r.answer(func(w http.ResponseWriter, _ *http.Request) {
		<-release
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	for _, d := range s.unsent(t, w, names("lane", 4*inFlight)...) {
		if err := s.conn.Enqueue(t.Context(), d, 0); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "all that may be are in flight, and others wait for their turn", func() bool {
		return r.inFlight() == inFlight && replica.gauge(t, "slots_used") > inFlight
	})
	gate := make(chan struct{})
	s.store.gate.Store(&gate)
	close(release)
	await(t, "all have failed", func() bool { return replica.gauge(t, "outcomes_unrecorded") == inFlight })
	hold := time.Now().Add(2 * 50 * time.Millisecond) // with its jitter
	await(t, "the hold has passed", func() bool { return time.Now().After(hold) })
	s.store.gate.Store(nil)
	close(gate)
	s.awaitHealth(t, w, "the probe has failed", func(h webhook.Health) bool { return h.FailureCount == 2 })
	s.awaitHeld(t, w, 4*inFlight)
	replica.stop() // what it has begun has ended
	if sent := len(r.all()) - before; sent != inFlight+1 {
		t.Errorf("%d requests were made, want %d and one probe", sent, inFlight)
	}
}

// unsent publishes events that the webhook does not send, and returns their deliveries
// as if it did.
func (s *system) unsent(t *testing.T, w webhook.Webhook, ids ...string) []delivery.Delivery {
	t.Helper()
	for _, id := range ids {
		if err := s.conn.Publish(t.Context(), event.Sample(event.NoteCreated, w.OrganizationID, id, time.Now())); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := s.conn.History(t.Context(), stream.EventRange{OrganizationID: w.OrganizationID, Type: event.NoteCreated}, len(ids))
	if err != nil || len(kept) != len(ids) {
		t.Fatal(len(kept), err)
	}
	deliveries := make([]delivery.Delivery, len(kept))
	for i, m := range kept {
		e, err := m.Event()
		if err != nil {
			t.Fatal(err)
		}
		deliveries[i] = delivery.Of(e, nil, w.ID, m.Sequence, m.Stored)
		deliveries[i].EventType = event.CallCompleted
	}
	return deliveries
}
