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
	await(t, "no lane is read", func() bool { return replica.gauge(t, "lanes_open") == 0 }) // lanes need the log
	before := len(r.all())

	s.store.away.Store(true)
	bound := record.DefaultOptions().Pending
	events := bound + 3*cfg.MaxInFlight
	if err := flood(t, s.conn, "acme", events); err != nil {
		t.Fatal(err)
	}
	pulled, err := s.conn.Events(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the replica rests", func() bool {
		return replica.gauge(t, "outcomes_unrecorded") >= float64(bound) && replica.gauge(t, "attempts_in_flight")+replica.gauge(t, "slots_used") == 0
	})
	waiting, err := pulled.Pending(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	unrecorded := int(replica.gauge(t, "outcomes_unrecorded"))
	t.Logf("%d outcomes are not recorded, %d events are not pulled", unrecorded, waiting)
	if most := bound + cfg.MaxInFlight; unrecorded > most {
		t.Errorf("%d outcomes are not recorded, more than %d", unrecorded, most)
	}
	if int(waiting) != events-unrecorded {
		t.Errorf("%d of %d events wait in the stream, and %d outcomes are not recorded", waiting, events, unrecorded)
	}

	s.store.away.Store(false)
	await(t, "all are delivered and recorded", func() bool {
		rest, err := pulled.Pending(t.Context())
		return err == nil && rest == 0 && replica.gauge(t, "outcomes_unrecorded") == 0 && s.held(t, w) == 0
	})
	s.awaitStatus(t, w, delivery.StatusDelivered, "evt_flood_0")
	if n := len(r.all()) - before; n != events {
		t.Errorf("%d events came %d times", events, n)
	}
}
