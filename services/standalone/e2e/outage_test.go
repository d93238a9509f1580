package e2e_test

import (
	"testing"
)

// Postgres goes away under load and comes back. Until then deliveries go on
// from what the dispatchers know; afterwards every one of them is in the log.
func TestPostgresIsStoppedAndStartedUnderLoad(t *testing.T) {
	t.Parallel()
	postgres := ownPostgres(t)
	s := newSystem(t, postgres.DSN())
	s.run(t, 2)
	c := s.client(t)
	l := newLedger(s.receiver, allTypes(t, c, s.receiverURL)...)

	const rate, seconds = 300, 8
	published := s.publish(t, l, c, 3, rate*seconds, rate)
	l.reached(t, rate)
	if err := postgres.Pause(); err != nil {
		t.Fatal(err)
	}
	unready(t, s.dispatchers[0], "database")
	without := s.receiver.Counts("").Requests
	l.reached(t, without+rate) // deliveries do not need the database
	if err := postgres.Resume(); err != nil {
		t.Fatal(err)
	}
	// And once more, without the courtesy of an orderly stop.
	l.reached(t, without+2*rate)
	if err := postgres.Crash(); err != nil {
		t.Fatal(err)
	}
	if err := postgres.Resume(); err != nil {
		t.Fatal(err)
	}
	published.Wait()
	l.settled(t)
	s.ready(t)
	l.healthy(t, c)
	unlogged := l.logged(t, s.store(t))
	t.Logf("%d deliveries, %d duplicates, %d requests not in the log", len(l.debts()), l.duplicates(), unlogged)
	if l.duplicates() > 0 || unlogged > 0 {
		t.Errorf("no process was killed, and %d deliveries came twice, %d requests are not in the log", l.duplicates(), unlogged)
	}
	for _, p := range append(s.dispatchers, s.api) {
		if !p.alive() {
			t.Errorf("%s has ended: %v", p.name, p.err)
		}
	}
}

// The same with NATS, killed: publishers get an error and try again, and no accepted
// event is lost.
func TestTheBrokerIsKilledUnderLoad(t *testing.T) {
	t.Parallel()
	s := startSystem(t, 2)
	c := s.client(t)
	l := newLedger(s.receiver, allTypes(t, c, s.receiverURL)...)

	const rate, seconds = 300, 6
	published := s.publish(t, l, c, 4, rate*seconds, rate)
	l.reached(t, 2*rate)
	sending := s.sending(t)
	s.broker.process.kill(t)
	unready(t, s.api, "nats")
	unready(t, s.dispatchers[0], "nats")
	s.broker.start(t)
	published.Wait()
	l.settled(t)
	s.ready(t)
	l.healthy(t, c)
	unlogged := l.logged(t, s.store(t))
	t.Logf("%d deliveries, %d duplicates, %d requests not in the log", len(l.debts()), l.duplicates(), unlogged)
	l.boundDuplicates(t, l.duplicates(), unlogged, sending)
}
