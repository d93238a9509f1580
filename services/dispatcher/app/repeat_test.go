package app_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/store/storetest"
	"github.com/dialnote/webhooks/proto"
)

// raw publishes an event as any client of NATS could, under a Nats-Msg-Id unless it
// is "".
func (s *system) raw(t *testing.T, e event.Event, messageID string) {
	t.Helper()
	s.nats.Publish(t, proto.SubjectEvent(e.OrganizationID, string(e.Type)), messageID, e.Body())
}

// An event that comes again, however it comes, is delivered once; and no message id
// suppresses another organization's event.
func TestAnEventIsDeliveredOnceHoweverItComes(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	r := newReceiver(t, nil)
	s.webhook(t, "acme", r.url)
	s.webhook(t, "evil", r.url)
	replica := s.run(t, config(never))
	ids := append(names("natural", 8), event.NewID(time.Now()), event.NewID(time.Now().Add(-6*24*time.Hour)))
	for _, id := range ids {
		e := event.Sample(event.CallCompleted, "acme", id, time.Now())
		s.raw(t, event.Sample(event.CallCompleted, "evil", id, time.Now()), "acme:"+id)
		for _, messageID := range []string{"acme:" + id, "", id, "evil:" + id, ""} {
			s.raw(t, e, messageID)
		}
		s.publish(t, "acme", id) // as the config API does
	}
	await(t, "all are found to come again", func() bool {
		return replica.gauge(t, "events_repeated_total") == float64(5*len(ids))
	})
	replica.stop() // what it holds is finished
	if n := len(r.counts()); n != len(ids) {
		t.Errorf("%d of %d events arrived", n, len(ids))
	}
	for id, n := range r.counts() {
		if n != 2 { // one of each organization
			t.Errorf("%s was sent %d times", id, n)
		}
	}
}

// While one replica sends an event, the others know.
func TestAnEventThatAnotherReplicaSendsIsNotSentAgain(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	release := make(chan struct{})
	r := newReceiver(t, func(http.ResponseWriter, *http.Request) { <-release })
	s.webhook(t, "acme", r.url)
	one, two := s.run(t, config(never)), s.run(t, config(never))
	both := func(gauge string) float64 { return one.gauge(t, gauge) + two.gauge(t, gauge) }
	known := 0
	await(t, "they hear each other", func() bool { // until then each is alone
		s.publish(t, "other", event.NewID(time.Now()))
		known++
		return one.gauge(t, "events_remembered") > 0 && two.gauge(t, "events_remembered") > 0 && both("events_remembered") > float64(known)
	})
	before := both("events_remembered")
	s.publish(t, "acme", "evt_slow")
	await(t, "one sends it, and both know", func() bool {
		return r.inFlight() == 1 && both("events_remembered") >= before+2
	})
	e := event.Sample(event.CallCompleted, "acme", "evt_slow", time.Now())
	for range 6 {
		s.raw(t, e, "")
	}
	await(t, "all are found to come again", func() bool { return both("events_repeated_total") == 6 })
	close(release)
	one.stop()
	two.stop()
	if n := r.counts()["evt_slow"]; n != 1 {
		t.Errorf("it was sent %d times", n)
	}
}

// A replica that remembers nothing, 11 minutes or 6 days after the event was
// delivered, held or given up, finds it in the log, and does not deliver it again.
func TestAnEventThatComesAgainLaterIsNotDeliveredAgain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		ago  time.Duration
		from uint64 // of an ordered webhook
	}{
		{"after 11 minutes", 11 * time.Minute, 0},
		{"after 6 days", 6 * 24 * time.Hour, 0},
		{"after 11 minutes, in order", 11 * time.Minute, 1},
		{"after 6 days, in order", 6 * 24 * time.Hour, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			first := time.Now().Add(-c.ago)
			ids := []string{"evt_delivered", event.NewID(first), "evt_held", "evt_skipped", "evt_gone"}
			s.publish(t, "acme", ids...)
			weekly := config(never)
			weekly.Retention = 7 * 24 * time.Hour
			before := s.run(t, weekly)
			await(t, "they are acknowledged: there is no webhook", func() bool {
				o, err := s.conn.Overview(t.Context())
				return err == nil && o.EventsPending+o.EventsHeld == 0
			})
			before.stop()
			r := newReceiver(t, nil)
			w := storetest.Webhook("acme")
			w.URL, w.OrderedFrom, w.Health.CountFrom = r.url, c.from, first
			if w.OrderedFrom > 0 {
				w.OrderedFrom = uint64(len(ids)) + 1
			}
			w = s.create(t, w)
			for i, id := range ids[:4] {
				a := storetest.Succeeded(w, first, time.Second)
				a.EventSequence = uint64(i + 1)
				switch id {
				case "evt_held":
					a.Number, a.Outcome = 0, delivery.Outcome{Result: delivery.Deferred}
				case "evt_skipped":
					a.Number, a.Outcome = 0, delivery.Outcome{Result: delivery.Skipped}
				}
				s.record(t, w, id, a)
			}
			s.nats.Remove(t, proto.StreamEvents, 5) // no longer kept: the event is as good as new
			s.run(t, weekly)
			s.publish(t, "acme", ids...)
			s.awaitStatus(t, w, delivery.StatusDelivered, "evt_gone")
			if got := r.ids(); len(got) != 1 {
				t.Errorf("the receiver saw %v, want only the event that was not kept", got)
			}
		})
	}
}
