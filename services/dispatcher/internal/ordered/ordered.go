// Package ordered delivers to ordered webhooks: one delivery at a time, strictly
// in the order in which the events were stored, each blocking the next until it
// is delivered or given up.
//
// The order and the place are the server's: a durable consumer for each ordered
// webhook hands out one event, to one replica. A failed delivery is given back
// until its time has come, and so stays the next.
package ordered

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/trace"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/dispatcher/internal/inflight"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
)

// sweepEvery is how often the stream is searched for places that nobody reads:
// those of a replica that died, or of a webhook that is gone.
const sweepEvery = 10 * time.Second

// Stream is where the places are kept.
type Stream interface {
	OpenOrdered(ctx context.Context, w webhook.Webhook, until time.Time) (*stream.Lane, error)
	Waiting(ctx context.Context, w webhook.Webhook) (uint64, error)
	Places(ctx context.Context) ([]stream.Place, error)
	RemovePlace(ctx context.Context, p stream.Place) error
}

// Matcher finds a webhook.
type Matcher interface {
	Find(ctx context.Context, organizationID, webhookID string) (*match.Target, error)
	Drop(organizationID string)
}

// Log reads what is already recorded of deliveries.
type Log interface {
	Progress(ctx context.Context, deliveryIDs []string, within delivery.TimeRange) (map[string]delivery.Progress, error)
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

// Ordered reads the ordered webhooks that this replica knows of. Safe for
// concurrent use.
type Ordered struct {
	Stream    Stream
	Matcher   Matcher
	Log       Log
	Carrier   Carrier
	Room      Room
	Webhooks  *inflight.Webhooks
	Slots     *inflight.Slots
	Retention time.Duration // how old an event may be to be sent
	Now       func() time.Time
	Logger    *slog.Logger
	Tracer    *trace.Tracer

	mu      sync.Mutex
	pulling context.Context //nolint:containedctx // the life of the readers, which begin at any time
	work    context.Context //nolint:containedctx // the life of their deliveries
	readers map[string]*reader
	running sync.WaitGroup
}

// Run reads until pulling ends, then waits for the deliveries that are held.
// work is the context of the deliveries.
func (o *Ordered) Run(pulling, work context.Context) {
	o.mu.Lock()
	o.pulling, o.work = pulling, work
	o.mu.Unlock()
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for pulling.Err() == nil {
		if err := o.sweep(pulling); err != nil && pulling.Err() == nil {
			o.Logger.Warn("ordered webhooks cannot be swept; trying again later", slog.Any("error", err))
		}
		select {
		case <-tick.C:
		case <-pulling.Done():
		}
	}
	o.mu.Lock()
	o.pulling = nil // from here on no reader begins
	o.mu.Unlock()
	o.running.Wait()
}

// Follow has an ordered webhook read its event and returns nil once the event
// is safe: the server keeps the webhook's place in the stream, from which some
// replica reads it, whatever becomes of this one.
func (o *Ordered) Follow(ctx context.Context, w webhook.Webhook) error {
	if !o.placed(w) {
		until := w.Health.HoldUntil
		if !until.After(o.Now()) {
			until = time.Time{}
		}
		if _, err := o.Stream.OpenOrdered(ctx, w, until); err != nil {
			return fmt.Errorf("keep the place of webhook %s: %w", w.ID, err)
		}
	}
	o.read(w.OrganizationID, w.ID, w.OrderedFrom) //nolint:contextcheck // a reader outlives the event that began it
	return nil
}

// Behind reports whether other events wait before one that was just followed, or
// with it: then its turn is not now.
func (o *Ordered) Behind(ctx context.Context, w webhook.Webhook) (bool, error) {
	waiting, err := o.Stream.Waiting(ctx, w)
	if err != nil {
		return false, fmt.Errorf("look who waits before an ordered event: %w", err)
	}
	return waiting > 1, nil
}

// placed reports whether this replica's reader has seen to the webhook's place.
func (o *Ordered) placed(w webhook.Webhook) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	r, ok := o.readers[w.ID]
	return ok && r.placed == w.OrderedFrom
}

// read has a webhook's reader look for events, and starts it when there is none.
// A replica that does not read, not yet or no longer, leaves it to the others
// and to the sweep.
func (o *Ordered) read(organizationID, webhookID string, from uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	r, ok := o.readers[webhookID]
	if !ok {
		if o.pulling == nil || o.pulling.Err() != nil {
			return
		}
		r = &reader{ordered: o, organizationID: organizationID, webhookID: webhookID, wake: make(chan struct{}, 1)}
		if o.readers == nil {
			o.readers = make(map[string]*reader)
		}
		o.readers[webhookID] = r
		pulling, work := o.pulling, o.work
		o.running.Go(func() { r.run(pulling, work) })
	}
	r.placed = from
	r.news++
	r.wakeUp()
}

// Changed is told of each change of a webhook.
func (o *Ordered) Changed(c stream.Change) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for id, r := range o.readers {
		if c == (stream.Change{}) || c.WebhookID == id {
			r.wakeUp()
		}
	}
}

// news counts what a reader was told to follow.
func (o *Ordered) news(r *reader) uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return r.news
}

// end ends a reader unless there is news since it saw nothing more to read.
func (o *Ordered) end(r *reader, seen uint64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if r.news != seen {
		return false
	}
	delete(o.readers, r.webhookID)
	return true
}

// sweep follows the webhooks whose places have events, and removes the places
// that no webhook has any more.
func (o *Ordered) sweep(ctx context.Context) error {
	places, err := o.Stream.Places(ctx)
	if err != nil {
		return fmt.Errorf("find ordered webhooks: %w", err)
	}
	for _, p := range places {
		current, err := o.current(ctx, p)
		if err != nil {
			return err
		}
		switch {
		case !current:
			if err := o.Stream.RemovePlace(ctx, p); err != nil {
				return fmt.Errorf("sweep: %w", err)
			}
		case p.Waiting > 0:
			o.read(p.OrganizationID, p.WebhookID, p.OrderedFrom) //nolint:contextcheck // a reader outlives the sweep that found its place
		}
	}
	return nil
}

// current reports whether a place is still its webhook's. Removing it cannot be
// undone, so that it is not is never said on the word of the cache.
func (o *Ordered) current(ctx context.Context, p stream.Place) (bool, error) {
	for _, sure := range []bool{false, true} {
		if sure {
			o.Matcher.Drop(p.OrganizationID)
		}
		t, err := o.Matcher.Find(ctx, p.OrganizationID, p.WebhookID)
		if err != nil {
			return false, fmt.Errorf("look up ordered webhook %s: %w", p.WebhookID, err)
		}
		if t != nil && t.Webhook.OrderedFrom <= p.OrderedFrom {
			return true, nil
		}
	}
	return false, nil
}
