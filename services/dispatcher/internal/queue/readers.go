// Package queue reads what waits for its webhook: the lanes, which keep deliveries
// that could not go at once, and the ordered places, from which ordered webhooks
// receive their events one after the other. Each webhook's deliveries are read by
// themselves, so that a webhook in trouble holds up no other.
package queue

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/dialnote/webhooks/pkg/backoff"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/trace"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/dispatcher/internal/deliver"
	"github.com/dialnote/webhooks/services/dispatcher/internal/limit"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
	"github.com/dialnote/webhooks/services/dispatcher/internal/repeat"
)

// sweepEvery is how often the stream is searched for queues that no replica reads:
// those of a replica that died, or of a webhook that is gone.
const sweepEvery = 10 * time.Second

// Parts are what queues are read with.
type Parts struct {
	Stream    *stream.Conn
	Matcher   *match.Matcher
	Deliverer *deliver.Deliverer
	Webhooks  *limit.Webhooks
	Slots     *limit.Slots
	Repeats   *repeat.Finder
	Retention time.Duration // how old an event may be to be sent
	Now       func() time.Time
	Log       *slog.Logger
	Tracer    *trace.Tracer
}

// readers are the readers of one kind of queue that this replica runs.
type readers struct {
	Parts

	mu      sync.Mutex
	pulling context.Context //nolint:containedctx // the life of the readers, which begin at any time; nil while none may begin
	work    context.Context //nolint:containedctx // the life of their deliveries
	byID    map[string]*reader
	running sync.WaitGroup
}

// run has readers begin until pulling ends, sweeps again and again, and then waits
// for the deliveries that are held. work is the context of the deliveries.
func (rs *readers) run(pulling, work context.Context, sweep func(context.Context) error) {
	rs.mu.Lock()
	rs.pulling, rs.work = pulling, work
	rs.mu.Unlock()
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for pulling.Err() == nil {
		if err := sweep(pulling); err != nil && pulling.Err() == nil {
			rs.Log.Warn("sweep of queues failed, retrying later", slog.Any("error", err))
		}
		select {
		case <-tick.C:
		case <-pulling.Done():
		}
	}
	rs.mu.Lock()
	rs.pulling = nil
	rs.mu.Unlock()
	rs.running.Wait()
}

// read returns the reader of a webhook's queue, and starts it when there is none.
// It returns nil when this replica does not read, not yet or no longer: then the
// queue is left to the other replicas and to the sweep.
func (rs *readers) read(s source, organizationID, webhookID string) *reader {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	r, ok := rs.byID[webhookID]
	if !ok {
		if rs.pulling == nil || rs.pulling.Err() != nil {
			return nil
		}
		r = &reader{readers: rs, source: s, organizationID: organizationID, webhookID: webhookID, wake: backoff.NewSignal()}
		r.mode.Store(int32(open)) // until it has looked
		if rs.byID == nil {
			rs.byID = make(map[string]*reader)
		}
		rs.byID[webhookID] = r
		pulling, work := rs.pulling, rs.work
		rs.running.Go(func() { r.run(pulling, work) })
	}
	r.arrivals++
	return r
}

// end ends a reader unless something arrived since it had seen so many arrivals.
func (rs *readers) end(r *reader, seen uint64) bool {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if r.arrivals != seen {
		return false
	}
	delete(rs.byID, r.webhookID)
	return true
}

func (rs *readers) arrivals(r *reader) uint64 {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return r.arrivals
}

// Changed wakes the reader of a webhook that has changed: its queue may be read in
// another way now. The zero Change wakes all.
func (rs *readers) Changed(c stream.Change) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for id, r := range rs.byID {
		if c == (stream.Change{}) || c.WebhookID == id {
			r.wake.Set()
		}
	}
}

// fresh looks a webhook up past the cache. What cannot be undone is never done on
// the word of the cache: a webhook that is just being created may have a delivery
// here before its announcement.
func (rs *readers) fresh(ctx context.Context, organizationID, webhookID string) (*webhook.Webhook, error) {
	rs.Matcher.Drop(organizationID)
	return rs.find(ctx, organizationID, webhookID)
}

// find looks a webhook up; it returns nil when there is none.
func (rs *readers) find(ctx context.Context, organizationID, webhookID string) (*webhook.Webhook, error) {
	t, err := rs.Matcher.Find(ctx, organizationID, webhookID)
	if err != nil {
		return nil, fmt.Errorf("look up webhook %s: %w", webhookID, err)
	}
	if t == nil {
		return nil, nil //nolint:nilnil // as Matcher.Find
	}
	return &t.Webhook, nil
}
