// Package record writes outcomes to the database, many in one transaction, and
// notifies the watchers of an organization. It also reads what is already recorded.
package record

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/dialnote/webhooks/pkg/backoff"
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/fault"
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

// DefaultOptions are the recorder's bounds in production. Each outcome that is not
// recorded keeps a goroutine with a grown stack: with 4,096 of them a burst took
// 200 MiB instead of 120.
func DefaultOptions() Options {
	return Options{Batch: 1024, Linger: 10 * time.Millisecond, Pending: 1024}
}

// Observer counts transactions.
type Observer interface {
	Committed(attempts int, took time.Duration)
	NotCommitted() // also of a commit that is tried again
}

// Recorder writes outcomes. Safe for concurrent use.
//
// While the database is away it keeps what it was given, retries, and has no
// capacity; it never drops an outcome that a caller waits for.
type Recorder struct {
	store    Store
	policy   delivery.Policy
	opts     Options
	log      *slog.Logger
	observer Observer
	queue    chan entry
	attempts []delivery.Attempt // of the batch that is being written
	pending  atomic.Int64
	capacity backoff.Signal // set when there may be capacity again
}

// entry is an attempt that waits to be recorded.
type entry struct {
	attempt *delivery.Attempt
	answer  chan<- answer // has room for the answer
}

// answer is what became of an attempt: it is recorded, or nothing is known of it.
type answer struct {
	recorded delivery.Step
	err      error
}

// New returns a recorder; Run must be running for anything to be recorded.
func New(s Store, policy delivery.Policy, opts Options, log *slog.Logger, observer Observer) *Recorder {
	return &Recorder{
		store: s, policy: policy, opts: opts, log: log, observer: observer,
		queue:    make(chan entry, opts.Pending),
		attempts: make([]delivery.Attempt, 0, opts.Batch),
		capacity: backoff.NewSignal(),
	}
}

// Record returns when an attempt is committed, for as long as the database may be
// away; only then may its message be acknowledged. It returns an error when Run or
// ctx ends first: then the attempt may be recorded or not.
func (r *Recorder) Record(ctx context.Context, a *delivery.Attempt) (delivery.Step, error) {
	answered := make(chan answer, 1)
	r.pending.Add(1)
	select {
	case r.queue <- entry{attempt: a, answer: answered}:
	case <-ctx.Done():
		r.finished(1)
		return delivery.Step{}, ctx.Err()
	}
	select {
	case got := <-answered:
		return got.recorded, got.err
	case <-ctx.Done():
		return delivery.Step{}, ctx.Err()
	}
}

// Pending returns how many attempts are not recorded yet.
func (r *Recorder) Pending() int { return int(r.pending.Load()) }

// WaitForCapacity waits until fewer attempts than Options.Pending are unrecorded,
// or ctx ends; then it returns ctx's error. It is what stops the pulling while the
// database is away.
func (r *Recorder) WaitForCapacity(ctx context.Context) error {
	for r.pending.Load() >= int64(r.opts.Pending) {
		select {
		case <-r.capacity:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	r.capacity.Set() // others may be waiting too
	return nil
}

// Run commits until ctx ends. What is queued then is not committed: its messages
// were not acknowledged and come again. Nothing may be recorded any more when it
// has returned.
func (r *Recorder) Run(ctx context.Context) error {
	for {
		batch := r.gather(ctx)
		if len(batch) == 0 {
			r.abandon(ctx.Err())
			return nil
		}
		r.commit(ctx, batch)
	}
}

// abandon answers for each queued attempt that nothing is known.
func (r *Recorder) abandon(err error) {
	for {
		select {
		case e := <-r.queue:
			r.finished(1)
			e.answer <- answer{err: err}
		default:
			return
		}
	}
}

func (r *Recorder) finished(n int) {
	r.pending.Add(-int64(n))
	r.capacity.Set()
}

// gather waits for a first attempt and takes what comes within the linger. A
// failure takes along what is queued and does not linger: other deliveries may wait
// for its consequences. It returns none when ctx ended.
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
	for i, e := range batch {
		if err != nil {
			e.answer <- answer{err: err}
		} else {
			e.answer <- answer{recorded: recorded[i]}
		}
	}
}

// write retries while the database is away, and returns any other error.
func (r *Recorder) write(ctx context.Context, attempts []delivery.Attempt) (recorded []delivery.Step, failure error) {
	err := backoff.Retry(ctx, r.log, backoff.Store, "record outcomes", func() error {
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
