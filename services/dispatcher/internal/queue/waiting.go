package queue

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dialnote/webhooks/pkg/backoff"
	"github.com/dialnote/webhooks/pkg/batch"
	"github.com/dialnote/webhooks/pkg/store"
)

const (
	// waitingLease is how long a replica may be silent before another one reads what
	// waits for its webhooks.
	waitingLease = 10 * time.Second

	// renewEvery is how often a replica renews its leases.
	renewEvery = 2 * time.Second

	// claimEvery is how often a replica looks for webhooks for which deliveries wait
	// that may be tried now, and claimPause how long it rests at least in between.
	claimEvery = 250 * time.Millisecond
	claimPause = 20 * time.Millisecond

	// countTime bounds the counting of what waits, during a scrape of the metrics.
	countTime = 3 * time.Second

	// mostAhead is how many deliveries of a webhook are read at once.
	mostAhead = 256

	// mostDrained is how many webhooks a replica reads at once, and claimedAtOnce how
	// many of them it claims with one statement.
	mostDrained   = 2048
	claimedAtOnce = 256

	// askedTogether is of how many webhooks one statement asks. Few statements are under
	// way: outcomes and the events of other webhooks need the database's connections, too.
	askedTogether = 200
)

// Waiting delivers what had to wait for its webhook: on hold, disabled
// automatically, or slower than its events come. The database keeps a reference for
// each such delivery, and the event stream the event. The replica that holds a
// webhook's lease reads what waits for it; a webhook whose time has not come costs
// nothing. Safe for concurrent use.
type Waiting struct {
	Parts

	Store   store.Waiting
	Replica string // the holder of the leases
	Lanes   *Lanes // where retries are scheduled

	perWebhook int
	due        backoff.Signal // set when a webhook may be claimed
	first      *batch.Asker[store.WaitingRead, []store.WaitingDelivery]
	finish     *batch.Asker[string, bool] // whether nothing waits any more
	leave      *batch.Asker[string, bool]

	// reached is from when on the database was reached each time. A lease that ran out
	// is taken only by a replica that has reached it for as long as a lease: after the
	// database was away, the holders are still recording what they have sent, and renew
	// their leases first.
	reached time.Time

	total atomic.Int64 // what waited when it was counted last

	mu      sync.Mutex
	byID    map[string]*drain
	running sync.WaitGroup
}

// NewWaiting returns what reads nothing yet. inFlight is how many deliveries of one
// webhook may be in flight at once.
func NewWaiting(p Parts, kept store.Waiting, replica string, lanes *Lanes, inFlight int) *Waiting {
	w := &Waiting{
		Parts: p, Store: kept, Replica: replica, Lanes: lanes, perWebhook: inFlight,
		due: backoff.NewSignal(), byID: make(map[string]*drain),
	}
	w.first = batch.New(askedTogether, 2, w.readFirst)
	w.finish, w.leave = batch.New(askedTogether, 1, w.finishAll), batch.New(askedTogether, 1, w.leaveAll)
	return w
}

// Run reads until pulling ends, then waits for the deliveries that are under way.
// work is the context of the deliveries.
func (w *Waiting) Run(pulling, work context.Context) {
	renewing, stop := context.WithCancel(work)
	var renewer sync.WaitGroup
	renewer.Go(func() { w.renew(renewing) })
	for try := 0; pulling.Err() == nil; {
		if err := w.claim(pulling, work); err != nil && pulling.Err() == nil {
			if try == 0 {
				w.Log.Warn("waiting deliveries not readable, retrying", slog.Any("error", err))
			}
			backoff.Sleep(pulling, backoff.Pause(try))
			try++
			continue
		}
		try = 0
		backoff.Sleep(pulling, claimPause)
		w.due.Sleep(pulling, claimEvery)
	}
	w.running.Wait()
	stop()
	renewer.Wait()
}

// claim takes the leases of webhooks that may be tried now, and begins to read what
// waits for them.
func (w *Waiting) claim(pulling, work context.Context) error {
	for {
		n := min(claimedAtOnce, mostDrained-w.Drained())
		if n <= 0 {
			return nil
		}
		now := w.Now()
		c := store.WaitingClaim{Now: now, Until: now.Add(waitingLease), AtOnce: n}
		if !w.reached.IsZero() && now.Sub(w.reached) > waitingLease {
			c.RunOut = now
		}
		claimed, err := w.Store.ClaimWaiting(pulling, w.Replica, c)
		for _, one := range claimed {
			w.begin(pulling, work, one, c.Until)
		}
		if err != nil {
			w.reached = time.Time{}
			return fmt.Errorf("look for waiting deliveries: %w", err)
		}
		if w.reached.IsZero() {
			w.reached = now
		}
		if len(claimed) < n {
			return nil
		}
	}
}

func (w *Waiting) begin(pulling, work context.Context, of store.WaitingWebhook, until time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, reads := w.byID[of.WebhookID]; reads {
		return // its lease ran out, and is this replica's again
	}
	d := &drain{Waiting: w, organizationID: of.OrganizationID, webhookID: of.WebhookID, wake: backoff.NewSignal(), inFlight: make(map[uint64]bool)}
	d.until.Store(until.UnixNano())
	w.byID[of.WebhookID] = d
	w.running.Go(func() {
		d.run(pulling, work)
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.byID, of.WebhookID)
		if len(w.byID) == mostDrained-claimedAtOnce { // there is room again
			w.due.Set()
		}
	})
}

// renew keeps the leases of what is read until ctx ends.
func (w *Waiting) renew(ctx context.Context) {
	for ctx.Err() == nil {
		backoff.Sleep(ctx, renewEvery)
		ids := w.reads()
		if len(ids) == 0 || ctx.Err() != nil {
			continue
		}
		until := w.Now().Add(waitingLease)
		renewed, err := w.Store.RenewWaiting(ctx, w.Replica, ids, until)
		if err != nil && ctx.Err() == nil {
			w.Log.Warn("leases of waiting deliveries not renewed, retrying", slog.Any("error", err))
		}
		w.mu.Lock()
		for _, id := range renewed {
			if d := w.byID[id]; d != nil {
				d.until.Store(until.UnixNano())
			}
		}
		w.mu.Unlock()
	}
}

func (w *Waiting) reads() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	ids := make([]string, 0, len(w.byID))
	for id := range w.byID {
		ids = append(ids, id)
	}
	return ids
}

func (w *Waiting) readFirst(ctx context.Context, of []store.WaitingRead) ([][]store.WaitingDelivery, error) {
	found, err := w.Store.ReadWaiting(ctx, of)
	if err != nil {
		return nil, fmt.Errorf("read what waits: %w", err)
	}
	lists := make([][]store.WaitingDelivery, len(of))
	for i, one := range of {
		lists[i] = found[one.WebhookID]
	}
	return lists, nil
}

func (w *Waiting) finishAll(ctx context.Context, webhookIDs []string) ([]bool, error) {
	finished, err := w.Store.FinishWaiting(ctx, w.Replica, webhookIDs)
	if err != nil {
		return nil, fmt.Errorf("end the reading of what waits: %w", err)
	}
	answers := make([]bool, len(webhookIDs))
	for i, id := range webhookIDs {
		answers[i] = slices.Contains(finished, id)
	}
	return answers, nil
}

func (w *Waiting) leaveAll(ctx context.Context, webhookIDs []string) ([]bool, error) {
	if err := w.Store.LeaveWaiting(ctx, w.Replica, webhookIDs); err != nil {
		return nil, fmt.Errorf("give back leases: %w", err)
	}
	return make([]bool, len(webhookIDs)), nil
}

// Drained returns for how many webhooks this replica reads what waits.
func (w *Waiting) Drained() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.byID)
}

// Total returns how many deliveries wait for all webhooks. While the database is away
// it returns what it was before.
func (w *Waiting) Total() int64 {
	ctx, cancel := context.WithTimeout(context.Background(), countTime)
	defer cancel()
	if n, err := w.Store.TotalWaiting(ctx); err == nil {
		w.total.Store(n)
	}
	return w.total.Load()
}

// Busy reports whether this replica reads what waits for a webhook: then new
// deliveries wait behind it. overflow reports that all of that came faster than it
// could be sent, as far as this replica has seen, and nothing waits because of a
// failure.
func (w *Waiting) Busy(webhookID string) (busy, overflow bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d, busy := w.byID[webhookID]
	return busy, busy && !d.failing.Load()
}

// Kept tells that a delivery waits for a webhook that may be tried now.
func (w *Waiting) Kept(webhookID string) {
	w.mu.Lock()
	d := w.byID[webhookID]
	w.mu.Unlock()
	if d != nil {
		d.arrived.Store(true)
		d.wake.Set()
		return
	}
	w.due.Set()
}
