package e2e_test

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/secretbox"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/store/storeurl"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/services/hooklab/load"
	"github.com/dialnote/webhooks/services/hooklab/traffic"
)

// Variables that choose how TestStorm runs; "make chaos" sets them.
const (
	stormSeconds = "CHAOS_SECONDS" // how long the storm lasts; 40 unless set
	stormSeed    = "CHAOS_SEED"    // repeats a plan; drawn for a long storm unless set
	stormRate    = "CHAOS_RATE"    // events a second; 60 unless set
	stormReport  = "CHAOS_REPORT"  // a file for the report; the test's log unless set
)

// TestStorm lets everything fail that can, at random and several things at a
// time: a NATS cluster with three copies of each stream, Postgres, two config
// APIs, three dispatchers, and the network between them. Every accepted event
// arrives; one that arrives twice was in progress at a fault; the log agrees with
// what the receiver got; and everything recovers by itself.
func TestStorm(t *testing.T) {
	t.Parallel()
	long := time.Duration(number(t, stormSeconds, 40)) * time.Second
	drawn := uint64(1) // the short form is the same plan each time
	if os.Getenv(stormSeconds) != "" {
		drawn = rand.Uint64()
	}
	seed, rate := number(t, stormSeed, drawn), number(t, stormRate, 60)
	t.Logf("%s=%d repeats the plan", stormSeed, seed)
	disks := mayMount(t)
	plan := planStorm(seed, long, disks)
	s := &storm{site: newSite(t, disks), strikes: map[kind]int{}}
	s.run(t)
	c := newClient(t, "http://127.0.0.1:"+strconv.Itoa(s.services[stormDispatchers].http), serviceToken)
	flaky := c.create(t, s.receiverURL, "/flaky/0.05?seed="+strconv.FormatUint(seed%1000, 10), event.NoteCreated)
	flaky.path = "/flaky/0.05"
	l := newLedger(s.receiver, append(allTypes(t, c, s.receiverURL), flaky)...)
	f := &account{seed: seed, long: long, rate: rate, disks: disks, plan: plan, storm: s, ledger: l}
	t.Cleanup(func() { f.write(t) })

	conn := s.connect(t)
	end := s.publish(t, l, f, conn, int(rate))
	s.rage(t, plan, long)
	over := time.Now()
	f.missing = l.missing()
	end()
	t.Logf("the storm is over: %d of %d deliveries are still to come", f.missing, len(l.debts()))
	s.ready(t)
	own, err := stream.Connect(stream.Settings{URL: s.natsURL("test"), Name: "test"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(own.Close)
	s.await(t, "all copies of the streams", func() error { return s.lacking(t.Context(), own) })
	f.well = time.Since(over)
	l.settled(t)
	f.settled = time.Since(over)
	l.healthy(t, c)
	db := s.database(t)
	f.unlogged = l.logged(t, db)
	f.duplicates = l.duplicates()
	l.agree(t, c, db)
	if most := f.unlogged + s.allowed; f.duplicates > most {
		t.Errorf("%d deliveries arrived twice, and at most %d were in progress at a fault", f.duplicates, most)
	}
	if len(s.alone) > 0 {
		t.Errorf("ended by themselves: %q", s.alone)
	}
}

// await is the package's await with supervision.
func (s *storm) await(t *testing.T, what string, ask func() error) {
	t.Helper()
	last := time.Now()
	await(t, what, func() error {
		if time.Since(last) > 2*time.Second {
			s.supervise(t)
			last = time.Now()
		}
		return ask()
	})
}

// ready waits until everything is well by its own account.
func (s *storm) ready(t *testing.T) {
	t.Helper()
	s.await(t, "everything is well", func() error {
		for _, n := range s.nodes {
			if !n.ready() {
				return errors.New(n.name + " is not well")
			}
		}
		for _, v := range s.services {
			if err := v.ready(); err != nil {
				return err
			}
		}
		return nil
	})
}

// publish publishes at a rate, half through the API and half straight to NATS,
// each event until it is accepted, until end is called.
func (s *storm) publish(t *testing.T, l *ledger, f *account, conn *stream.Conn, rate int) (end func()) {
	t.Helper()
	events := traffic.New(traffic.Options{Seed: f.seed, Organization: organization})
	var (
		over atomic.Bool
		all  sync.WaitGroup
	)
	all.Go(func() {
		for !over.Load() {
			report, err := load.Run(context.Background(), inTurn{s.front, conn}, load.Plan{
				Count: rate, Rate: float64(rate), Concurrency: 64, Patience: patience, Next: events.Next,
				Accepted: func(e event.Event) { f.accept(e); l.accept(e) },
			})
			f.accepted += report.Accepted
			f.retries += report.Retries
			if err == nil {
				err = report.FirstError
			}
			if err != nil {
				t.Errorf("not all events were accepted: %v", err)
			}
		}
	})
	end = sync.OnceFunc(func() {
		over.Store(true)
		all.Wait()
	})
	t.Cleanup(end)
	return end
}

// database opens the database, around the network.
func (s *storm) database(t *testing.T) store.Store {
	t.Helper()
	box, err := secretbox.Parse(s.settings["ENCRYPTION_KEYS"])
	if err != nil {
		t.Fatal(err)
	}
	db, err := storeurl.Open(t.Context(), s.dsn, box)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// accept notes when an event was accepted.
func (f *account) accept(e event.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.acceptedAt == nil {
		f.acceptedAt = map[string]time.Time{}
	}
	f.acceptedAt[e.ID] = time.Now()
}
