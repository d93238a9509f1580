package app_test

import (
	"testing"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/services/dispatcher/internal/record"
)

// The database is away for longer than a replica may remember outcomes: it
// stops pulling, and what it does not pull waits in the stream. It goes on when
// the database is back, and nothing comes twice.
func TestPullingStopsWhenTooMuchIsUnrecorded(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	cfg := config(never)
	replica := s.run(t, cfg)
	r := newReceiver(t, nil)
	w := s.webhook(t, "acme", r.url)
	s.warm(t, w)
	replica.awaitRest(t)
	before := len(r.all())

	s.store.away.Store(true)
	bound := record.DefaultOptions().Pending / 2 // one partition has half
	events := bound + 3*cfg.MaxInFlight
	if err := flood(t, s.conn, "acme", events); err != nil {
		t.Fatal(err)
	}
	pulled, err := s.conn.EventsOf(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	unrecorded := func() int { return int(replica.gauge(t, "outcomes_unrecorded")) }
	waiting := func() int {
		n, err := pulled.Pending(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return int(n)
	}
	awaitCount(t, "outcomes that are not recorded", bound, unrecorded)
	await(t, "the replica rests: each event waits in the stream or for its record", func() bool {
		return replica.gauge(t, "attempts_in_flight")+replica.gauge(t, "slots_used") == 0 && waiting() == events-unrecorded()
	})
	if n, most := unrecorded(), bound+cfg.MaxInFlight; n > most {
		t.Errorf("%d outcomes are not recorded, more than %d", n, most)
	}

	s.store.away.Store(false)
	awaitCount(t, "events that are delivered and recorded", events, func() int {
		return events - waiting() - unrecorded() - int(s.held(t, w))
	})
	s.awaitStatus(t, w, delivery.StatusDelivered, "evt_flood_0")
	if n := len(r.all()) - before; n != events {
		t.Errorf("%d events came %d times", events, n)
	}
}
