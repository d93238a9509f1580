package e2e_test

import (
	"sync"
	"testing"

	"github.com/dialnote/webhooks/services/hooklab/load"
)

// many is how many events the restart tests publish: each is one delivery or
// two.
const many = 10_000

func TestNothingIsLostOrRepeatedWhenTheDispatcherIsStopped(t *testing.T) {
	t.Parallel()
	s := startSystem(t, 1)
	c := s.client(t)
	l := newLedger(s.receiver, allTypes(t, c, s.receiverURL)...)

	published := s.publish(t, l, c, 1, many, 0)
	l.reached(t, many/2)
	s.dispatchers[0].stop(t)
	t.Logf("stopped after %d requests", s.receiver.Counts("").Requests)
	if n := s.receiver.Counts("").InFlight; n != 0 {
		t.Errorf("%d requests were cut off by the stop", n)
	}
	s.restartDispatcher(t, 0)
	published.Wait()
	l.settled(t)
	l.healthy(t, c)
	unlogged := l.logged(t, s.store(t))
	t.Logf("%d deliveries, %d duplicates, %d requests not in the log", len(l.debts()), l.duplicates(), unlogged)
	// Both phases of the stop were given their time.
	if l.duplicates() > 0 || unlogged > 0 {
		t.Errorf("a stop in order repeated %d deliveries and left %d requests out of the log", l.duplicates(), unlogged)
	}
}

func TestNothingIsLostWhenReplicasAreKilled(t *testing.T) {
	t.Parallel()
	s := startSystem(t, 2)
	c := s.client(t)
	l := newLedger(s.receiver, allTypes(t, c, s.receiverURL)...)

	published := s.publish(t, l, c, 2, many, 0)
	for kill, after := range []uint64{many / 4, many / 2} {
		l.reached(t, after)
		s.dispatchers[kill].kill(t)
		s.restartDispatcher(t, kill)
	}
	published.Wait()
	l.settled(t)
	l.healthy(t, c)
	unlogged := l.logged(t, s.store(t))
	t.Logf("%d deliveries, %d duplicates, %d requests not in the log", len(l.debts()), l.duplicates(), unlogged)
	l.boundDuplicates(t, l.duplicates(), unlogged, 0)
}

// sending returns how many deliveries the replicas are sending, or have sent and
// not recorded. One that is just starting sends none.
func (s *system) sending(t *testing.T) (n int) {
	t.Helper()
	for _, d := range s.dispatchers {
		_, text, err := get(operators(t, d) + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"attempts_in_flight", "outcomes_unrecorded"} {
			if value, there := valueOf(t, text, "dialnote_dispatcher_"+name); there {
				n += int(value)
			}
		}
	}
	return n
}

// publish publishes in the background, half through the API and half straight
// to NATS. The returned group is done when all is accepted.
func (s *system) publish(t *testing.T, l *ledger, c *client, seed uint64, count int, rate float64) *sync.WaitGroup {
	t.Helper()
	api := load.NewAPI(c.base, c.token, 16)
	t.Cleanup(api.Close)
	conn := s.connect(t)
	var published sync.WaitGroup
	published.Go(func() { l.publish(t, seed, count, rate, api, conn) })
	t.Cleanup(published.Wait)
	return &published
}

// publishToNATS is publish without the API, which needs the database.
func (s *system) publishToNATS(t *testing.T, l *ledger, seed uint64, count int, rate float64) *sync.WaitGroup {
	t.Helper()
	conn := s.connect(t)
	var published sync.WaitGroup
	published.Go(func() { l.publish(t, seed, count, rate, conn) })
	t.Cleanup(published.Wait)
	return &published
}

// boundDuplicates fails the test unless every duplicate was in flight when its
// replica was killed: sent, and not recorded. Each of those leaves a request
// that the log does not know, and nothing else does, as tests without kills
// show; a delivery that was recorded and is sent again all the same leaves none.
// sending is how many the living replicas were sending when the broker was
// killed: it may hand those out again.
func (l *ledger) boundDuplicates(t *testing.T, duplicates, unlogged, sending int) {
	t.Helper()
	if most := unlogged + sending; duplicates > most {
		t.Errorf("%d duplicates, and only %d can have been in flight", duplicates, most)
	}
}
