// Package dispatch takes events from the stream and sees each of them through:
// event → match → attempt → outcome → record → acknowledgement.
package dispatch

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/dialnote/webhooks/pkg/backoff"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/trace"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/proto"
	"github.com/dialnote/webhooks/services/dispatcher/internal/deliver"
	"github.com/dialnote/webhooks/services/dispatcher/internal/limit"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
	"github.com/dialnote/webhooks/services/dispatcher/internal/metrics"
	"github.com/dialnote/webhooks/services/dispatcher/internal/queue"
	"github.com/dialnote/webhooks/services/dispatcher/internal/repeat"
)

// unmatchedDelay is how long an event rests whose webhooks cannot be read
// although the database is there. It must not keep others from its slot.
const unmatchedDelay = 30 * time.Second

// Quotas says which quotas organizations have reached.
type Quotas interface {
	// Of returns those of an organization, none for most.
	Of(organizationID string) []store.OverQuota
}

// Dispatcher pulls events and delivers them.
type Dispatcher struct {
	Stream    *stream.Conn // hands out the events, and keeps what cannot be understood
	Matcher   *match.Matcher
	Slots     *limit.Slots
	Webhooks  *limit.Webhooks
	Lanes     *queue.Lanes
	Waiting   *queue.Waiting
	Ordered   *queue.Ordered
	Repeats   *repeat.Finder
	Quotas    Quotas
	Deliverer *deliver.Deliverer
	Tracer    *trace.Tracer
	Backlog   *limit.Backlog
	Batch     int // events asked for at once
	Now       func() time.Time
	Log       *slog.Logger
	Metrics   *metrics.Metrics
	Workers   *limit.Workers

	open sync.WaitGroup // events that are not done with
}

// Run pulls until pulling ends, then waits until each event that it holds is done
// with, or work ends. work is the context of the deliveries: when it ends they are
// cut short, and their events come again.
func (d *Dispatcher) Run(pulling, work context.Context) {
	(&pullers{Dispatcher: d}).run(pulling, work)
	finished := make(chan struct{})
	go func() {
		d.open.Wait()
		close(finished)
	}()
	select {
	case <-finished:
	case <-work.Done():
	}
	d.Workers.Stop()
}

// handle begins to see one event through. When each of its deliveries is recorded or
// in a lane, the event is acknowledged; when one of them is neither, it comes again.
// acquire returns the event's slot; handle gives it back, and returns what the worker
// does next.
func (d *Dispatcher) handle(work context.Context, m *stream.Message, lot *limit.Lot, acquire func() (*limit.Slot, error)) limit.Job {
	stop := m.KeepAlive()
	lot.Begin() // until its deliveries are counted
	defer lot.End()
	ended := func() {
		stop()
		d.open.Done()
	}
	slot, err := acquire()
	if err != nil { // work has ended: the event comes again
		ended()
		return nil
	}
	d.Metrics.Consumed()
	work, span := d.Tracer.Consume(work, proto.StreamEvents, m.Headers())
	return d.dispatch(work, m, lot, span, slot, func(safe bool) {
		defer ended()
		defer span.End()
		if !safe {
			return
		}
		if err := m.Ack(); err != nil {
			d.Log.WarnContext(work, "event not acknowledged, will be redelivered", slog.Any("error", err))
		}
	})
}

// dispatch reads an event and begins to deliver it to the webhooks that want it. It
// calls finished once, and says whether the event may be acknowledged. It returns
// what the worker does next.
func (d *Dispatcher) dispatch(work context.Context, m *stream.Message, lot *limit.Lot, span trace.Span, slot *limit.Slot, finished func(safe bool)) limit.Job {
	e, err := m.Published()
	if err != nil {
		defer slot.Free()
		finished(d.reject(work, m, err))
		return nil
	}
	span.Of(e)
	found, err := d.find(work, e, m)
	if err != nil {
		defer slot.Free()
		d.unmatched(work, m, err)
		finished(false)
		return nil
	}
	if found == repeat.Repeated {
		slot.Free()
		finished(true)
		return nil
	}
	targets, ordered, err := d.match(work, e, m)
	if err != nil {
		defer slot.Free()
		d.unmatched(work, m, err)
		finished(false)
		return nil
	}
	d.Metrics.Matched(len(targets))
	p := &pendingEvent{dispatcher: d, message: m, lot: lot, event: e, body: e.Body(), finished: finished}
	if found == repeat.Unknown {
		repeated, err := p.cameBefore(work, targets, ordered)
		if err != nil {
			d.unmatched(work, m, err)
		}
		if err != nil || repeated {
			slot.Free()
			finished(repeated)
			return nil
		}
	}
	if over := d.Quotas.Of(e.OrganizationID); len(over) > 0 && refusable(m) {
		slot.Free()
		finished(d.rejectOver(work, m, over[0]))
		return nil
	}
	return p.deliver(work, targets, ordered, slot)
}

// find returns what is known of an event without the log. It waits while the broker
// is away.
func (d *Dispatcher) find(work context.Context, e event.Event, m *stream.Message) (repeat.Finding, error) {
	found, err := backoff.Read(work, d.Log, backoff.Broker, "compare an event with an earlier message", func() (repeat.Finding, error) {
		return d.Repeats.Find(work, e, m)
	})
	if found == repeat.Repeated {
		d.repeated(work, e, m)
	}
	return found, err
}

// repeated notes that an event is passed by.
func (d *Dispatcher) repeated(work context.Context, e event.Event, m *stream.Message) {
	d.Metrics.Repeated()
	d.Log.InfoContext(work, "event came again, not delivered again", slog.String("organization", e.OrganizationID),
		slog.String("event", e.ID), slog.Uint64("sequence", m.Sequence))
}

// reject keeps a message that cannot be understood where an operator finds it,
// and reports whether it is there.
func (d *Dispatcher) reject(work context.Context, m *stream.Message, reason error) bool {
	err := backoff.Retry(work, d.Log, backoff.Broker, "keep a rejected message", func() error {
		return d.Stream.Reject(work, m, fault.Of(reason).Error())
	})
	if err != nil {
		return false
	}
	d.Metrics.Rejected()
	d.Log.WarnContext(work, "message rejected", slog.String("subject", m.Subject),
		slog.Uint64("sequence", m.Sequence), slog.Any("error", reason))
	return true
}

// match returns the webhooks to deliver to from here, and the ordered ones, whose
// places in the stream are kept when it returns. It waits while the database is
// away.
func (d *Dispatcher) match(work context.Context, e event.Event, m *stream.Message) (targets, ordered []*match.Target, err error) {
	looking, span := d.Tracer.Match(work)
	all, err := backoff.Read(looking, d.Log, backoff.Store, "match an event", func() ([]*match.Target, error) {
		return d.Matcher.Match(looking, e.OrganizationID, e.Type)
	})
	span.Matched(len(all), err)
	if err != nil {
		return nil, nil, err
	}
	targets = all[:0]
	for _, t := range all {
		switch {
		case !t.Webhook.Ordered():
			targets = append(targets, t)
		case m.Sequence >= t.Webhook.OrderedFrom:
			err := backoff.RetryUnavailable(work, d.Log, backoff.Broker, "keep an ordered place", func() error {
				return d.Ordered.Follow(work, t.Webhook)
			})
			if err != nil {
				return nil, nil, err
			}
			ordered = append(ordered, t)
		case wentBack(m.Stored, t.Webhook):
			d.Log.WarnContext(work, "the event stream is older than an ordered webhook: was it restored from a backup? The event is delivered, and not in order",
				slog.String("webhook", t.Webhook.ID), slog.Uint64("sequence", m.Sequence), slog.Uint64("from", t.Webhook.OrderedFrom))
			targets = append(targets, t)
		}
	}
	return targets, ordered, nil
}

// wentBack reports whether an event before an ordered webhook's first was stored
// after the webhook was last changed: then the stream is an older one, which was
// restored, and has given the event a sequence that it had given before.
func wentBack(stored time.Time, w webhook.Webhook) bool {
	const clocksApart = 5 * time.Second // NATS' and config-api's, at most
	return stored.After(w.UpdatedAt.Add(clocksApart))
}

// unmatched gives an event back whose webhooks cannot be read: one organization's
// broken row must not hold up the others.
func (d *Dispatcher) unmatched(work context.Context, m *stream.Message, reason error) {
	if work.Err() != nil {
		return // it comes again when its time is up
	}
	d.Log.ErrorContext(work, "webhooks of an event not readable, event will be redelivered",
		slog.String("subject", m.Subject), slog.Uint64("sequence", m.Sequence), slog.Any("error", reason))
	if err := m.Return(unmatchedDelay); err != nil {
		d.Log.WarnContext(work, "event not returned, will be redelivered later", slog.Any("error", err))
	}
}
