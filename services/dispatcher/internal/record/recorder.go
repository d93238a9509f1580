// Package record writes outcomes to the database, many in one transaction, and
// notifies the watchers of an organization. It also reads what is already recorded.
package record

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
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

// DefaultOptions are the recorder's bounds in production.
func DefaultOptions() Options {
	return Options{Batch: 2048, Linger: 10 * time.Millisecond, Pending: 4096}
}

// Observer counts transactions.
type Observer interface {
	Committed(attempts int, took time.Duration)
	NotCommitted() // also of a commit that is tried again
}

// Recorder writes outcomes. Safe for concurrent use.
//
// While the database is away, or refuses for a reason that is not in an attempt, it
// keeps what it was given, retries, and has no capacity; it never drops an outcome
// that a caller waits for.
type Recorder struct {
	store    Store
	policy   delivery.Policy
	opts     Options
	log      *slog.Logger
	observer Observer
	attempts []delivery.Attempt // of the batch that is being written
	pending  atomic.Int64
	refused  atomic.Pointer[error] // why the last transaction wrote nothing; nil when it was committed
	capacity backoff.Signal        // set when there may be capacity again

	mu      sync.Mutex
	queue   []entry        // attempts that no batch has yet; at most as many as are pending
	ended   error          // why nothing is recorded any more
	arrived backoff.Signal // set when the queue is no longer empty
	ready   backoff.Signal // set when the queue is to be written without lingering
}

// entry is an attempt that waits to be recorded.
type entry struct {
	attempt  *delivery.Attempt
	recorded func(delivery.Step, error)
}

// New returns a recorder; Run must be running for anything to be recorded.
func New(s Store, policy delivery.Policy, opts Options, log *slog.Logger, observer Observer) *Recorder {
	return &Recorder{
		store: s, policy: policy, opts: opts, log: log, observer: observer,
		attempts: make([]delivery.Attempt, 0, opts.Batch),
		capacity: backoff.NewSignal(), arrived: backoff.NewSignal(), ready: backoff.NewSignal(),
	}
}

// Record returns when an attempt is committed, for as long as the database may be
// away; only then may its message be acknowledged. It returns an error when Run or
// ctx ends first: then the attempt may be recorded or not.
func (r *Recorder) Record(ctx context.Context, a *delivery.Attempt) (delivery.Step, error) {
	answer := NewAnswer()
	r.Submit(a, answer.Recorded)
	return answer.Wait(ctx)
}

// Submit has an attempt recorded and does not wait for it, so that what waits for
// a commit takes no goroutine. The recorder calls recorded once, when the attempt
// is committed, or with an error when it is not known to be; recorded must not
// block. The caller must leave the attempt alone until then.
func (r *Recorder) Submit(a *delivery.Attempt, recorded func(delivery.Step, error)) {
	r.pending.Add(1)
	if err := r.join(entry{attempt: a, recorded: recorded}); err != nil {
		r.finished(1)
		recorded(delivery.Step{}, err)
	}
}

func (r *Recorder) join(e entry) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended != nil {
		return r.ended
	}
	r.queue = append(r.queue, e)
	if len(r.queue) == 1 {
		r.arrived.Set()
	}
	if len(r.queue) == r.opts.Batch || e.attempt.Outcome.Result == delivery.Failed {
		r.ready.Set()
	}
	return nil
}

// Pending returns how many attempts are not recorded yet.
func (r *Recorder) Pending() int { return int(r.pending.Load()) }

// Check returns why outcomes are not recorded at the moment, nil when they are.
func (r *Recorder) Check(context.Context) error {
	if refused := r.refused.Load(); refused != nil {
		return fmt.Errorf("%d outcomes wait to be recorded: %w", r.Pending(), *refused)
	}
	return nil
}

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
// were not acknowledged and come again.
func (r *Recorder) Run(ctx context.Context) error {
	for {
		select {
		case <-r.arrived:
			r.linger(ctx)
			r.commit(ctx, r.take())
		case <-ctx.Done():
			r.abandon(ctx.Err())
			return nil
		}
	}
}

// linger waits for company to the first attempt, until a batch is full. A failure
// takes along what is queued and does not linger: other deliveries may wait for its
// consequences.
func (r *Recorder) linger(ctx context.Context) {
	linger := time.NewTimer(r.opts.Linger)
	defer linger.Stop()
	select {
	case <-r.ready:
	case <-linger.C:
	case <-ctx.Done():
	}
}

// take returns the next batch. What remains queued has lingered.
func (r *Recorder) take() []entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.ready: // it was for this batch
	default:
	}
	batch := r.queue
	r.queue = nil
	if len(batch) > r.opts.Batch {
		r.queue = slices.Clone(batch[r.opts.Batch:])
		batch = batch[:r.opts.Batch]
		r.arrived.Set()
		r.ready.Set()
	}
	return batch
}

// abandon answers for each queued attempt, and for each to come, that nothing is
// known.
func (r *Recorder) abandon(err error) {
	r.mu.Lock()
	batch := r.queue
	r.queue, r.ended = nil, err
	r.mu.Unlock()
	r.answer(batch, nil, err)
}

func (r *Recorder) finished(n int) {
	r.pending.Add(-int64(n))
	r.capacity.Set()
}

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
	r.answer(batch, recorded, err)
}

// answer tells what became of each attempt of a batch.
func (r *Recorder) answer(batch []entry, recorded []delivery.Step, err error) {
	r.finished(len(batch))
	for i, e := range batch {
		if err != nil {
			e.recorded(delivery.Step{}, err)
		} else {
			e.recorded(recorded[i], nil)
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
			r.refused.Store(nil)
			r.observer.Committed(len(attempts), time.Since(began))
		case fault.Is(err, fault.Unavailable):
			r.refused.Store(&err)
			r.observer.NotCommitted()
			return err
		default:
			r.refused.Store(nil) // the database works; the attempt is at fault
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
