package e2e_test

import (
	"context"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/store"
)

// Variables that choose how TestChaos runs.
const (
	chaosSeed    = "E2E_CHAOS_SEED"    // repeats the choices of an earlier run
	chaosSeconds = "E2E_CHAOS_SECONDS" // how long replicas are killed; 60 unless set
)

// TestChaos kills one of three replicas every second, NATS and Postgres once
// each, under a steady load of which a tenth goes to an endpoint that fails now
// and then. Whatever was accepted arrives; what is repeated was in flight.
func TestChaos(t *testing.T) {
	t.Parallel()
	const rate, replicas = 300, 3
	seed, seconds := number(t, chaosSeed, rand.Uint64()), number(t, chaosSeconds, 60)
	t.Logf("%s=%d repeats the choices", chaosSeed, seed)
	chance := rand.New(rand.NewPCG(seed, 0))

	postgres := ownPostgres(t)
	s := newSystem(t, postgres.DSN())
	s.with(map[string]string{"NATS_SYNC": "always", "RETRY_SCHEDULE": "200ms,200ms,300ms,300ms,400ms,400ms,500ms,500ms,500ms,500ms"})
	s.run(t, replicas)
	c := s.client(t)
	flaky := c.create(t, s.receiverURL, "/flaky/0.05?seed="+strconv.FormatUint(seed%1000, 10), event.NoteCreated)
	flaky.path = "/flaky/0.05"
	l := newLedger(s.receiver, append(allTypes(t, c, s.receiverURL), flaky)...)

	published := s.publish(t, l, c, seed, rate*int(seconds), rate)
	broker, sending := seconds/4+chance.Uint64N(seconds/8+1), 0
	restarts := map[uint64]func(){
		broker: func() {
			s.broker.process.kill(t)
			s.broker.start(t)
		},
		seconds/2 + chance.Uint64N(seconds/8+1): func() {
			if err := postgres.Restart(); err != nil {
				t.Fatal(err)
			}
		},
	}
	pace := time.NewTicker(time.Second)
	defer pace.Stop()
	for second := range seconds {
		<-pace.C
		victim := chance.IntN(replicas)
		if second == broker {
			sending = s.sending(t)
		}
		s.dispatchers[victim].kill(t)
		s.restartDispatcher(t, victim)
		if restart := restarts[second]; restart != nil {
			restart()
		}
	}
	published.Wait()
	t.Logf("the last kill: %d of %d deliveries are still to come", l.missing(), len(l.debts()))
	ended := time.Now()
	l.settled(t)
	t.Logf("all there %s later", time.Since(ended).Round(time.Second))
	s.ready(t)
	l.healthy(t, c)
	db := s.store(t)
	unlogged := l.logged(t, db)
	t.Logf("%d kills, %d deliveries, %d duplicates, %d requests not in the log, %d on their way when NATS was killed",
		seconds, len(l.debts()), l.duplicates(), unlogged, sending)
	l.boundDuplicates(t, l.duplicates(), unlogged, sending)
	l.agree(t, c, db)
	l.compareFailures(t, flaky, db)
}

// compareFailures holds the failures in a webhook's log against those that the
// receiver answered: the log has no other ones, and lacks none but those of
// requests that it does not know at all, since kills cut them off.
func (l *ledger) compareFailures(t *testing.T, h hook, db store.Store) {
	t.Helper()
	requests, logged := 0, 0
	for _, d := range l.debts() {
		if d.hook.ID != h.ID {
			continue
		}
		attempts, err := db.Attempts(context.Background(), organization, h.ID, d.id)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range attempts {
			if a.Number > 0 {
				requests++
			}
			if a.Outcome.Result == delivery.Failed && a.Outcome.StatusCode == http.StatusInternalServerError {
				logged++
			}
		}
	}
	seen := l.receiver.Counts(h.path)
	answered, unknown := int(seen.Statuses[http.StatusInternalServerError]), int(seen.Requests)-requests
	t.Logf("%s failed %d times, the log has %d of them; it lacks %d requests", h.path, answered, logged, unknown)
	if logged > answered || answered-logged > unknown {
		t.Errorf("the log has %d failures of %d, and lacks %d requests", logged, answered, unknown)
	}
	if answered == 0 {
		t.Error("the flaky endpoint never failed: nothing was shown")
	}
}

func number(t *testing.T, variable string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}
