// Package record commits outcomes in groups: many attempts, one transaction.
package record

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/services/dispatcher/internal/retry"
)

// Store writes a batch of attempts.
type Store interface {
	Record(ctx context.Context, policy delivery.Policy, attempts []delivery.Attempt) ([]delivery.Step, error)
}

// Options bound the recorder.
type Options struct {
	Batch   int           // attempts in one transaction, at most
	Linger  time.Duration // how long a transaction waits for company, unless it holds a failure
	Pending int           // attempts not recorded yet, at most; more hold up the pulling
}

// DefaultOptions are the recorder's bounds in production.
func DefaultOptions() Options {
	return Options{Batch: 2048, Linger: 10 * time.Millisecond, Pending: 4096}
}

// Observer is told of each commit.
type Observer interface {
	Committed(attempts int, took time.Duration)
	NotCommitted() // also of a commit that is tried again
}

// Recorder writes outcomes. Safe for concurrent use.
//
// While the database is away it keeps what it was given, retries, and reports
// no room; it never drops an outcome that somebody waits for.
type Recorder struct {
	store    Store
	policy   delivery.Policy
	opts     Options
	log      *slog.Logger
	observer Observer
	queue    chan entry
	answers  sync.WaitGroup     // batches whose outcome is being told
	attempts []delivery.Attempt // of the batch that is being written
	pending  atomic.Int64
	room     chan struct{} // holds a token when there may be room again
}

// Then is told once what became of an attempt that was handed over: it is
// recorded, or nothing is known of it. It must not wait for anything.
type Then func(recorded delivery.Step, err error)

type entry struct {
	attempt *delivery.Attempt
	then    Then
}

// New returns a recorder; Run must be running for anything to be recorded.
func New(s Store, policy delivery.Policy, opts Options, log *slog.Logger, observer Observer) *Recorder {
	return &Recorder{
		store: s, policy: policy, opts: opts, log: log, observer: observer,
		queue:    make(chan entry, opts.Pending),
		attempts: make([]delivery.Attempt, 0, opts.Batch),
		room:     make(chan struct{}, 1),
	}
}

// Record hands an attempt over and returns: it is the recorder's from now on. then
// is told when it is committed, for as long as the database may be away, or when
// Run ends first; only then may its message be acknowledged. Thousands of
// deliveries wait for a commit at the same time, and need no goroutine for that.
// Record itself waits only for room in the queue, until ctx ends.
func (r *Recorder) Record(ctx context.Context, a *delivery.Attempt, then Then) {
	r.pending.Add(1)
	select {
	case r.queue <- entry{attempt: a, then: then}:
	case <-ctx.Done():
		r.finished(1)
		then(delivery.Step{}, ctx.Err())
	}
}

// Pending returns how many attempts are not recorded yet.
func (r *Recorder) Pending() int { return int(r.pending.Load()) }

// WaitForCapacity waits until fewer attempts than Options.Pending are unrecorded. It is
// what stops the pulling while the database is away.
func (r *Recorder) WaitForCapacity(ctx context.Context) error {
	for r.pending.Load() >= int64(r.opts.Pending) {
		select {
		case <-r.room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	r.signalCapacity() // others may be waiting too
	return nil
}

func (r *Recorder) signalCapacity() {
	select {
	case r.room <- struct{}{}:
	default:
	}
}

// Run commits until ctx ends. What is queued then is not committed: its
// messages were not acknowledged and come again. Everybody has been told when it
// returns; nothing may be handed over any more.
func (r *Recorder) Run(ctx context.Context) error {
	defer r.answers.Wait()
	for {
		batch := r.gather(ctx)
		if len(batch) == 0 {
			r.abandon(ctx.Err())
			return nil
		}
		r.commit(ctx, batch)
	}
}

// abandon tells those who wait in the queue that nothing is known.
func (r *Recorder) abandon(err error) {
	for {
		select {
		case e := <-r.queue:
			r.finished(1)
			e.then(delivery.Step{}, err)
		default:
			return
		}
	}
}

func (r *Recorder) finished(n int) {
	r.pending.Add(-int64(n))
	r.signalCapacity()
}

// gather waits for a first attempt and takes what comes within the linger. A
// failure waits for nobody: others may wait for its consequences. It returns none
// when ctx ended.
func (r *Recorder) gather(ctx context.Context) []entry {
	batch := make([]entry, 0, r.opts.Batch/8)
	select {
	case e := <-r.queue:
		batch = append(batch, e)
	case <-ctx.Done():
		return nil
	}
	linger := time.NewTimer(r.opts.Linger)
	defer linger.Stop()
	urgent := failed(batch[0])
	for len(batch) < r.opts.Batch && (!urgent || len(r.queue) > 0) {
		select {
		case e := <-r.queue:
			batch = append(batch, e)
			urgent = urgent || failed(e)
		case <-linger.C:
			return batch
		case <-ctx.Done():
			return batch
		}
	}
	return batch
}

func failed(e entry) bool { return e.attempt.Outcome.Result == delivery.Failed }

// commit writes a batch. While the database is away it tries again. Any other
// failure is split, so that an attempt that cannot be written fails alone.
func (r *Recorder) commit(ctx context.Context, batch []entry) {
	attempts := r.attempts[:0]
	for _, e := range batch {
		attempts = append(attempts, *e.attempt)
	}
	recorded, err := r.write(ctx, attempts)
	clear(attempts) // what they refer to is not kept
	if err != nil && len(batch) > 1 && ctx.Err() == nil {
		half := len(batch) / 2
		r.commit(ctx, batch[:half])
		r.commit(ctx, batch[half:])
		return
	}
	r.finished(len(batch))
	r.answers.Go(func() { // the next batch need not wait for it
		for i, e := range batch {
			if err != nil {
				e.then(delivery.Step{}, err)
			} else {
				e.then(recorded[i], nil)
			}
		}
	})
}

// write retries for as long as the database is away; it returns any other
// error.
func (r *Recorder) write(ctx context.Context, attempts []delivery.Attempt) (recorded []delivery.Step, failure error) {
	err := retry.Until(ctx, r.log, "outcomes cannot be recorded", func() error {
		began := time.Now()
		var err error
		recorded, err = r.store.Record(ctx, r.policy, attempts)
		switch {
		case err == nil:
			r.observer.Committed(len(attempts), time.Since(began))
		case fault.Is(err, fault.Unavailable):
			r.observer.NotCommitted()
			return err
		default:
			r.observer.NotCommitted()
			failure = fmt.Errorf("record %d attempts: %w", len(attempts), err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return recorded, failure
}
