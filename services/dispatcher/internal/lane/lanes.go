// Package lane keeps the deliveries that could not go at once, each webhook's
// in a lane of its own, and reads the lanes: so a webhook in trouble waits by
// itself and nobody waits for it.
package lane

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/trace"
	"github.com/dialnote/webhooks/services/dispatcher/internal/inflight"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
)

// sweepEvery is how often the stream is searched for lanes that nobody reads:
// those of a replica that died.
const sweepEvery = 10 * time.Second

// Stream is where lanes are kept.
type Stream interface {
	Enqueue(ctx context.Context, d delivery.Delivery, attempts int) error
	EnqueueAt(ctx context.Context, d delivery.Delivery, attempts int, at time.Time) error
	OpenLane(ctx context.Context, webhookID string, inFlight int, until time.Time) (*stream.Lane, error)
	CloseLane(ctx context.Context, webhookID string) error
	Discard(ctx context.Context, webhookID string) error
	Lanes(ctx context.Context) (map[string]uint64, error)
	LaneOrganization(ctx context.Context, webhookID string) (string, error)
}

// Matcher finds a webhook.
type Matcher interface {
	Find(ctx context.Context, organizationID, webhookID string) (*match.Target, error)
	Drop(organizationID string)
}

// Progress reads what is already recorded of a delivery.
type Progress interface {
	Of(ctx context.Context, d delivery.Delivery) (delivery.Progress, error)
}

// Carrier carries attempts to their record.
type Carrier interface {
	Carry(ctx context.Context, t *match.Target, d delivery.Delivery, number int, slot *inflight.Slot) (delivery.Step, error)
	Decline(ctx context.Context, t *match.Target, d delivery.Delivery, result delivery.Result, message string) error
}

// Room waits while too many outcomes are unrecorded.
type Room interface {
	WaitForCapacity(ctx context.Context) error
}

// Lanes reads the lanes that this replica knows of. Safe for concurrent use.
type Lanes struct {
	Stream    Stream
	Matcher   Matcher
	Progress  Progress
	Carrier   Carrier
	Room      Room
	Webhooks  *inflight.Webhooks
	Slots     *inflight.Slots
	InFlight  int           // deliveries of one lane at once, over all replicas
	Retention time.Duration // how old an event may be to be sent
	Now       func() time.Time
	Logger    *slog.Logger
	Tracer    *trace.Tracer

	mu      sync.Mutex
	pulling context.Context //nolint:containedctx // the life of the readers, which begin at any time
	work    context.Context //nolint:containedctx // the life of their deliveries
	readers map[string]*reader
	ended   bool
	running sync.WaitGroup
}

// Run reads lanes until pulling ends, then waits for the deliveries they hold.
// work is the context of the deliveries.
func (l *Lanes) Run(pulling, work context.Context) {
	l.mu.Lock()
	l.pulling, l.work = pulling, work
	l.mu.Unlock()
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for pulling.Err() == nil {
		if err := l.sweep(pulling); err != nil && pulling.Err() == nil {
			l.Logger.Warn("lanes cannot be swept; trying again later", slog.Any("error", err))
		}
		select {
		case <-tick.C:
		case <-pulling.Done():
		}
	}
	l.mu.Lock()
	l.ended = true // from here on no reader begins
	l.mu.Unlock()
	l.running.Wait()
}

// Busy reports whether a webhook's lane is being read here: then new deliveries
// go to its end, to keep their order. overflow reports that all that waits there
// came faster than it could be sent, as far as this replica has seen, and nothing
// because of a failure.
func (l *Lanes) Busy(webhookID string) (busy, overflow bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, busy := l.readers[webhookID]
	return busy, busy && !r.held.Load()
}

// Open returns how many lanes this replica reads or keeps parked.
func (l *Lanes) Open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.readers)
}

// Modes returns how many lanes this replica knows of, by how they are read.
func (l *Lanes) Modes() map[string]int {
	counts := make(map[string]int, open+1)
	for m := gone; m <= open; m++ {
		counts[m.String()] = 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.readers {
		counts[mode(r.mode.Load()).String()]++
	}
	return counts
}

// Put puts a delivery at the end of its lane and returns when it is stored. The
// webhook is busy from before it is, and the lane is read after: a reader that
// found it empty in between may have ended.
func (l *Lanes) Put(ctx context.Context, d delivery.Delivery, attempts int) error {
	l.reader(d.OrganizationID, d.WebhookID) //nolint:contextcheck // a reader outlives the delivery that began it
	if err := l.Stream.Enqueue(ctx, d, attempts); err != nil {
		return fmt.Errorf("defer delivery: %w", err)
	}
	l.Arrived(stream.Arrival{OrganizationID: d.OrganizationID, WebhookID: d.WebhookID}) //nolint:contextcheck // a reader outlives the delivery that began it
	return nil
}

// Schedule puts a delivery into its lane at a later time, whoever is alive
// then. It returns when that is stored.
func (l *Lanes) Schedule(ctx context.Context, d delivery.Delivery, attempts int, at time.Time) error {
	if err := l.Stream.EnqueueAt(ctx, d, attempts, at); err != nil {
		return fmt.Errorf("retry delivery: %w", err)
	}
	return nil
}

// Remove removes everything that waits for a webhook that no longer exists.
func (l *Lanes) Remove(ctx context.Context, webhookID string) error {
	if err := l.Stream.Discard(ctx, webhookID); err != nil {
		return fmt.Errorf("remove lane: %w", err)
	}
	return nil
}

// Arrived is told of each message that enters a lane.
func (l *Lanes) Arrived(a stream.Arrival) {
	if r := l.reader(a.OrganizationID, a.WebhookID); r != nil {
		r.arrive()
	}
}

// Changed is told of each change of a webhook: its lane may be read in another
// way now.
func (l *Lanes) Changed(c stream.Change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c == (stream.Change{}) {
		for _, r := range l.readers {
			r.wakeUp()
		}
		return
	}
	if r, ok := l.readers[c.WebhookID]; ok {
		r.wakeUp()
	}
}

// reader returns the reader of a lane, and starts it when there is none; nil
// when this replica no longer reads.
func (l *Lanes) reader(organizationID, webhookID string) *reader {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r, ok := l.readers[webhookID]; ok {
		r.arrivals++
		return r
	}
	if l.pulling == nil || l.pulling.Err() != nil || l.ended {
		return nil
	}
	if l.readers == nil {
		l.readers = make(map[string]*reader)
	}
	r := &reader{lanes: l, organizationID: organizationID, webhookID: webhookID, wake: make(chan struct{}, 1), arrivals: 1}
	r.mode.Store(int32(open)) // until it has looked
	l.readers[webhookID] = r
	pulling, work := l.pulling, l.work
	l.running.Go(func() { r.run(pulling, work) })
	return r
}

// close ends a reader unless something arrived since it saw its lane empty.
func (l *Lanes) close(r *reader, seen uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.arrivals != seen {
		return false
	}
	delete(l.readers, r.webhookID)
	return true
}

func (l *Lanes) arrivals(r *reader) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return r.arrivals
}

// sweep starts readers for lanes that have messages and are not read here.
func (l *Lanes) sweep(ctx context.Context) error {
	lanes, err := l.Stream.Lanes(ctx)
	if err != nil {
		return fmt.Errorf("find lanes: %w", err)
	}
	for webhookID := range lanes {
		if busy, _ := l.Busy(webhookID); busy {
			continue
		}
		organizationID, err := l.Stream.LaneOrganization(ctx, webhookID)
		if err != nil {
			return fmt.Errorf("find the owner of lane %s: %w", webhookID, err)
		}
		if organizationID != "" {
			if r := l.reader(organizationID, webhookID); r != nil { //nolint:contextcheck // a reader outlives the sweep that found its lane
				r.held.Store(true) // nobody knows why its deliveries wait
			}
		}
	}
	return nil
}
