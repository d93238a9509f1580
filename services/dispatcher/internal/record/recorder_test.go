package record_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/dispatcher/internal/record"
)

var errPoison = errors.New("cannot be written")

// database is a store that can be away and refuses poison, whole batches of it.
type database struct {
	away  atomic.Bool
	calls atomic.Int64

	mu      sync.Mutex
	batches []int
	kept    map[string]bool
}

func (d *database) Record(ctx context.Context, _ delivery.Policy, attempts []delivery.Attempt) ([]delivery.Step, error) {
	d.calls.Add(1)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if d.away.Load() {
		return nil, fault.New(fault.Unavailable, "database-unavailable", "Away.")
	}
	recorded := make([]delivery.Step, len(attempts))
	for i, a := range attempts {
		if strings.HasPrefix(a.ID, "poison") {
			return nil, errPoison
		}
		recorded[i].Before = &webhook.Webhook{ID: a.ID}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.batches = append(d.batches, len(attempts))
	if d.kept == nil {
		d.kept = make(map[string]bool)
	}
	for _, a := range attempts {
		d.kept[a.ID] = true
	}
	return recorded, nil
}

type observer struct{ attempts atomic.Int64 }

func (o *observer) NotCommitted() {}

func (o *observer) Committed(attempts int, _ time.Duration) { o.attempts.Add(int64(attempts)) }

// start runs a recorder for the life of a synctest bubble.
func start(t *testing.T, db record.Store, opts record.Options) *record.Recorder {
	t.Helper()
	r := record.New(db, delivery.DefaultPolicy(), opts, slog.New(slog.DiscardHandler), &observer{})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return r
}

// recordAll records attempts at once and returns their errors by id.
func recordAll(ctx context.Context, r *record.Recorder, ids ...string) map[string]error {
	var mu sync.Mutex
	failed := make(map[string]error)
	var all sync.WaitGroup
	for _, id := range ids {
		all.Go(func() {
			got, err := r.Record(ctx, &delivery.Attempt{ID: id})
			if err == nil && got.Before.ID != id {
				err = fmt.Errorf("got the record of %q", got.Before.ID)
			}
			if err != nil {
				mu.Lock()
				failed[id] = err
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return failed
}

func names(prefix string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprint(prefix, i)
	}
	return list
}

func TestAttemptsAreCommittedInGroups(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := &database{}
		r := start(t, db, record.Options{Batch: 100, Linger: 4 * time.Millisecond, Pending: 1000})
		if failed := recordAll(t.Context(), r, names("a", 250)...); len(failed) > 0 {
			t.Errorf("not recorded: %v", failed)
		}
		if calls := db.calls.Load(); calls > 4 {
			t.Errorf("250 attempts took %d transactions (%v)", calls, db.batches)
		}
		if r.Pending() != 0 {
			t.Errorf("%d pending at the end", r.Pending())
		}
	})
}

func TestALoneAttemptWaitsNoLongerThanTheLinger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t, &database{}, record.Options{Batch: 100, Linger: 4 * time.Millisecond, Pending: 10})
		began := time.Now()
		recordAll(t.Context(), r, "a")
		if took := time.Since(began); took != 4*time.Millisecond {
			t.Errorf("took %s", took)
		}
	})
}

// Others may wait for the consequences of a failure: it takes along what is there
// and waits for no more.
func TestAFailureWaitsForNoCompany(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := &database{}
		r := start(t, db, record.Options{Batch: 100, Linger: 4 * time.Millisecond, Pending: 10})
		began := time.Now()
		fails := func() {
			a := delivery.Attempt{ID: "failed", Outcome: delivery.Outcome{Result: delivery.Failed}}
			if _, err := r.Record(t.Context(), &a); err != nil {
				t.Error(err)
			}
		}
		fails()
		var company sync.WaitGroup
		company.Go(func() { recordAll(t.Context(), r, "a", "b") })
		synctest.Wait()
		fails()
		company.Wait()
		if took := time.Since(began); took != 0 || !slices.Equal(db.batches, []int{1, 3}) {
			t.Errorf("after %s, in batches of %v", took, db.batches)
		}
	})
}

func TestAPoisonAttemptFailsAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := &database{}
		r := start(t, db, record.Options{Batch: 64, Linger: 4 * time.Millisecond, Pending: 100})
		failed := recordAll(t.Context(), r, append(names("good", 60), "poison 1", "poison 2")...)
		if len(failed) != 2 || !errors.Is(failed["poison 1"], errPoison) || !errors.Is(failed["poison 2"], errPoison) {
			t.Errorf("failed: %v", failed)
		}
		if len(db.kept) != 60 {
			t.Errorf("%d attempts were kept, want 60", len(db.kept))
		}
	})
}

func TestNothingIsLostWhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := &database{}
		db.away.Store(true)
		r := start(t, db, record.Options{Batch: 8, Linger: 4 * time.Millisecond, Pending: 100})
		time.AfterFunc(4*time.Minute, func() {
			if err := r.Check(t.Context()); !fault.Is(err, fault.Unavailable) || !strings.HasPrefix(err.Error(), "50 outcomes") {
				t.Errorf("while the database is away: %v", err)
			}
		})
		time.AfterFunc(5*time.Minute, func() { db.away.Store(false) })
		failed := recordAll(t.Context(), r, names("a", 50)...)
		if err := r.Check(t.Context()); err != nil {
			t.Errorf("afterwards: %v", err)
		}
		if len(failed) != 0 || len(db.kept) != 50 {
			t.Errorf("%d kept, failed: %v", len(db.kept), failed)
		}
		if calls := db.calls.Load(); calls > 400 {
			t.Errorf("%d tries in five minutes: there is no pause between them", calls)
		}
	})
}

// The pulling stops while too many are unrecorded, without spinning, and each
// who waits goes on when there is capacity again.
func TestCapacityIsWaitedForAndThenFound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := &database{}
		r := start(t, db, record.Options{Batch: 4, Linger: time.Millisecond, Pending: 20})
		recordAll(t.Context(), r, names("before", 8)...) // leaves a stale signal
		db.away.Store(true)
		done := make(chan map[string]error, 1)
		go func() { done <- recordAll(t.Context(), r, names("a", 30)...) }()
		synctest.Wait()
		var through atomic.Int64
		for range 5 {
			go func() {
				if r.WaitForCapacity(t.Context()) == nil {
					through.Add(1)
				}
			}()
		}
		synctest.Wait() // hangs when a waiter spins: it is never durably blocked
		if through.Load() != 0 || r.Pending() != 30 {
			t.Errorf("%d of 5 found capacity with %d of 20 pending", through.Load(), r.Pending())
		}
		db.away.Store(false)
		if failed := <-done; len(failed) > 0 {
			t.Errorf("failed: %v", failed)
		}
		synctest.Wait()
		if through.Load() != 5 {
			t.Errorf("%d of 5 found capacity when all was recorded", through.Load())
		}
	})
}

func TestWaitingForCapacityEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := &database{}
		db.away.Store(true)
		r := start(t, db, record.Options{Batch: 1, Linger: time.Millisecond, Pending: 1})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				if _, err := r.Record(ctx, &delivery.Attempt{ID: "a"}); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("record: %v", err)
				}
			})
		}
		synctest.Wait()
		if err := r.WaitForCapacity(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("capacity: %v", err)
		}
		all.Wait()
	})
}

// Each caller is answered, also one whose attempt is still queued, and none is
// answered that an attempt is recorded that is not.
func TestRunEndsWhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const attempts = 30
		db := &database{}
		db.away.Store(true)
		r := record.New(db, delivery.DefaultPolicy(), record.Options{Batch: 8, Linger: time.Millisecond, Pending: 100}, slog.New(slog.DiscardHandler), &observer{})
		ctx, stop := context.WithCancel(t.Context())
		failed := make(chan map[string]error)
		go func() { failed <- recordAll(t.Context(), r, names("a", attempts)...) }()
		synctest.Wait()
		time.AfterFunc(time.Minute, stop)
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
		if n := len(<-failed); n != attempts || r.Pending() != 0 {
			t.Errorf("of %d attempts %d failed; %d are pending", attempts, n, r.Pending())
		}
	})
}

// gated is a database that writes nothing until it is opened.
type gated struct {
	database
	gate chan struct{}
}

func (g *gated) Record(ctx context.Context, p delivery.Policy, attempts []delivery.Attempt) ([]delivery.Step, error) {
	<-g.gate
	return g.database.Record(ctx, p, attempts)
}

// startGated runs a recorder that is writing one attempt, and returns what opens
// its database.
func startGated(t *testing.T, opts record.Options) (r *record.Recorder, db *gated, open func()) {
	t.Helper()
	db = &gated{gate: make(chan struct{})}
	r = start(t, db, opts)
	go func() { _, _ = r.Record(t.Context(), &delivery.Attempt{ID: "first"}) }()
	synctest.Wait()
	<-time.After(opts.Linger)
	synctest.Wait()
	return r, db, sync.OnceFunc(func() { close(db.gate) })
}

// A failure does not linger, and does not leave what is queued to the next
// transaction.
func TestAFailureTakesAlongWhatIsQueued(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, db, open := startGated(t, record.Options{Batch: 100, Linger: 4 * time.Millisecond, Pending: 10})
		var all sync.WaitGroup
		for _, result := range []delivery.Result{delivery.Failed, delivery.Succeeded, delivery.Succeeded} {
			all.Go(func() {
				if _, err := r.Record(t.Context(), &delivery.Attempt{Outcome: delivery.Outcome{Result: result}}); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		began := time.Now()
		open()
		all.Wait()
		if took := time.Since(began); took != 0 || !slices.Equal(db.batches, []int{1, 3}) {
			t.Errorf("after %s, in batches of %v", took, db.batches)
		}
	})
}

// A caller that gives up holds up no other: its attempt is recorded all the same.
func TestAnAbandonedRecordLeaksNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, db, open := startGated(t, record.Options{Batch: 1, Linger: time.Millisecond, Pending: 1})
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for i := range 3 {
			all.Go(func() {
				if _, err := r.Record(ctx, &delivery.Attempt{ID: fmt.Sprint("abandoned", i)}); !errors.Is(err, context.Canceled) {
					t.Errorf("record: %v", err)
				}
			})
		}
		synctest.Wait()
		if n := r.Pending(); n != 4 {
			t.Errorf("%d are pending, want 4", n)
		}
		cancel()
		all.Wait()
		open()
		if _, err := r.Record(t.Context(), &delivery.Attempt{ID: "next"}); err != nil {
			t.Error(err)
		}
		if n := r.Pending(); n != 0 || len(db.kept) != 5 {
			t.Errorf("%d are pending at the end, %d are recorded", n, len(db.kept))
		}
	})
}

// What comes after the end is answered, and not recorded.
func TestNothingIsRecordedAfterTheEnd(t *testing.T) {
	t.Parallel()
	db := &database{}
	r := record.New(db, delivery.DefaultPolicy(), record.Options{Batch: 1, Pending: 1}, slog.New(slog.DiscardHandler), &observer{})
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := r.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Record(t.Context(), &delivery.Attempt{ID: "late"}); !errors.Is(err, context.Canceled) || r.Pending() != 0 {
		t.Errorf("record: %v; %d pending", err, r.Pending())
	}
}

// As many attempts as Options.Pending are the most; with one less there is
// capacity.
func TestTheBoundOfUnrecordedAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const bound = 3
		r, _, open := startGated(t, record.Options{Batch: 1, Linger: time.Millisecond, Pending: bound})
		defer open()
		for pending := 1; pending <= bound; pending++ {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			if err := r.WaitForCapacity(ctx); (err == nil) != (pending < bound) || r.Pending() != pending {
				t.Errorf("with %d of %d pending: %v", r.Pending(), bound, err)
			}
			cancel()
			go func() { _, _ = r.Record(t.Context(), &delivery.Attempt{ID: "a"}) }()
			synctest.Wait()
		}
	})
}

// One attempt that is recorded lets all go on that wait for capacity.
func TestEachThatWaitsForCapacityGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, _, open := startGated(t, record.Options{Batch: 1, Linger: time.Millisecond, Pending: 1})
		defer open()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				if err := r.WaitForCapacity(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		open()
		all.Wait()
	})
}
