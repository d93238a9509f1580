// Package dispatch takes events from the stream and sees each of them through:
// event → match → attempt → outcome → record.
package dispatch

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/trace"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/proto"
	"github.com/dialnote/webhooks/services/dispatcher/internal/inflight"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
	"github.com/dialnote/webhooks/services/dispatcher/internal/retry"
)

const (
	// pullers ask for events at the same time, so that one's round trip does
	// not idle the others' slots.
	pullers = 4

	// pullWait is how long one request for events stays open. A stop waits for
	// it, so that what the server has already handed out is not lost on the way.
	pullWait = time.Second

	// unmatchedDelay is how long an event rests whose webhooks cannot be read
	// although the database is there. It must not keep others from its slot.
	unmatchedDelay = 30 * time.Second
)

// Events are the events that wait to be dispatched.
type Events interface {
	Pull(ctx context.Context, n int, wait time.Duration, handle func(*stream.Message)) (int, error)
}

// Rejector keeps what cannot be understood.
type Rejector interface {
	Reject(ctx context.Context, m *stream.Message, reason string) error
}

// Matcher finds the webhooks that an event goes to.
type Matcher interface {
	Match(ctx context.Context, organizationID string, t event.Type) ([]*match.Target, error)
	Find(ctx context.Context, organizationID, webhookID string) (*match.Target, error)
}

// Follower has ordered webhooks read their events off the stream themselves. Follow
// returns nil once the event is safe there; Behind tells whether others wait before
// it.
type Follower interface {
	Follow(ctx context.Context, w webhook.Webhook) error
	Behind(ctx context.Context, w webhook.Webhook) (bool, error)
}

// Room waits while too many outcomes are unrecorded.
type Room interface {
	WaitForCapacity(ctx context.Context) error
}

// Observer counts what is dispatched.
type Observer interface {
	Consumed()
	Rejected()
	Matched(webhooks int)
}

// Dispatcher pulls events and delivers them.
type Dispatcher struct {
	Events   Events
	Rejector Rejector
	Matcher  Matcher
	Room     Room
	Slots    *inflight.Slots
	Lanes    Lanes
	Ordered  Follower
	Webhooks *inflight.Webhooks
	Carrier  Carrier
	Progress Progress
	Tracer   *trace.Tracer
	Batch    int // events asked for at once, by each puller
	Log      *slog.Logger
	Observer Observer

	held sync.WaitGroup // messages
}

// Run pulls until pulling ends, then waits for what it holds. work is the
// context of the deliveries: when it ends they are cut short, and their events
// come again.
func (d *Dispatcher) Run(pulling, work context.Context) {
	crew := newCrew()
	var all sync.WaitGroup
	for range pullers {
		all.Go(func() { d.pull(pulling, work, crew) })
	}
	all.Wait()
	crew.dismiss()
	recorded := make(chan struct{})
	go func() { // until the recorder ends
		d.held.Wait()
		close(recorded)
	}()
	select {
	case <-recorded:
	case <-work.Done():
	}
}

// pull is one puller: it takes slots, asks for that many events, and hands
// each to one of the crew, who owns its slot.
func (d *Dispatcher) pull(pulling, work context.Context, crew *crew) {
	for try := 0; pulling.Err() == nil; {
		if d.Room.WaitForCapacity(pulling) != nil {
			return
		}
		n, err := d.Slots.Acquire(pulling, d.Batch)
		if err != nil {
			return
		}
		got, err := d.Events.Pull(pulling, n, pullWait, func(m *stream.Message) {
			crew.take(func() inflight.Next { return d.handle(work, m, crew) })
		})
		d.Slots.Release(n - got)
		if err != nil && pulling.Err() == nil {
			d.Log.Warn("events cannot be pulled; trying until they can", slog.Any("error", err))
			retry.Pause(pulling, retry.Backoff(try))
			try++
			continue
		}
		try = 0
	}
}

// handle sees one event through to its attempts: what becomes of them is for the
// holding to learn. It returns whose turn has come of them.
func (d *Dispatcher) handle(work context.Context, m *stream.Message, crew *crew) inflight.Next {
	slot := d.Slots.Slot()
	h := d.hold(work, m)
	d.Observer.Consumed()
	h.work, h.span = d.Tracer.Consume(work, proto.StreamEvents, m.Headers())
	safe, next := d.dispatch(h, slot, crew)
	h.done(safe)
	return next
}

// dispatch reads an event and has it delivered. It reports whether the message is
// safe, but for its deliveries. It gives the slot back.
func (d *Dispatcher) dispatch(h *holding, slot *inflight.Slot, crew *crew) (safe bool, next inflight.Next) {
	e, err := h.message.Published()
	if err != nil {
		defer slot.Free()
		return d.reject(h.work, h.message, err), next
	}
	h.span.Of(e)
	targets, ordered, err := d.match(h.work, e, h.message.Sequence)
	if err != nil {
		defer slot.Free()
		d.unmatched(h.work, h.message, err)
		return false, next
	}
	d.Observer.Matched(len(targets))
	h.expect(len(ordered))
	for _, t := range ordered {
		d.note(h.work, t, delivery.Of(e, e.Body(), t.Webhook.ID, h.message.Sequence, h.message.Stored), h.message.Redelivered,
			func(err error) { h.delivered(t.Webhook.ID, err) })
	}
	return d.deliver(h, e, targets, slot, crew)
}

// deliver delivers an event to each of its webhooks at once. The first uses the
// event's slot; each other waits for one of its own, ahead of anybody who wants
// more events. It reports whether all of them were begun.
func (d *Dispatcher) deliver(h *holding, e event.Event, targets []*match.Target, slot *inflight.Slot, crew *crew) (begun bool, next inflight.Next) {
	body := e.Body()
	one := func(t *match.Target, slot *inflight.Slot) inflight.Next {
		m, id := h.message, t.Webhook.ID
		return d.Deliver(h.work, t, delivery.Of(e, body, id, m.Sequence, m.Stored), m.Redelivered, slot, func(err error) { h.delivered(id, err) })
	}
	h.expect(len(targets))
	switch len(targets) {
	case 0:
		slot.Free()
		return true, next
	case 1:
		return true, one(targets[0], slot)
	}
	crew.take(func() inflight.Next { return one(targets[0], slot) })
	for i, t := range targets[1:] {
		slot, err := d.Slots.Take(h.work)
		if err != nil {
			h.expect(-len(targets[1+i:]))
			return false, next
		}
		crew.take(func() inflight.Next { return one(t, slot) })
	}
	return true, next
}

// reject keeps a message that cannot be understood where an operator finds it,
// and reports whether it is there.
func (d *Dispatcher) reject(work context.Context, m *stream.Message, reason error) bool {
	err := retry.Until(work, d.Log, "messages cannot be put into the rejected stream", func() error {
		return d.Rejector.Reject(work, m, fault.Of(reason).Error())
	})
	if err != nil {
		return false
	}
	d.Observer.Rejected()
	d.Log.WarnContext(work, "message rejected", slog.String("subject", m.Subject),
		slog.Uint64("sequence", m.Sequence), slog.Any("error", reason))
	return true
}

// match returns the webhooks to deliver to from here, and the ordered ones, which
// it has follow the stream by themselves. It waits for as long as the database is
// away.
func (d *Dispatcher) match(work context.Context, e event.Event, sequence uint64) (targets, ordered []*match.Target, err error) {
	looking, span := d.Tracer.Match(work)
	all, err := d.matching(looking, e)
	span.Matched(len(all), err)
	if err != nil {
		return nil, nil, err
	}
	targets = all[:0]
	for _, t := range all {
		switch {
		case !t.Webhook.Ordered():
			targets = append(targets, t)
		case sequence >= t.Webhook.OrderedFrom:
			err := retry.WhileAway(work, d.Log, "ordered webhooks cannot be followed", func() error {
				return d.Ordered.Follow(work, t.Webhook)
			})
			if err != nil {
				return nil, nil, err
			}
			ordered = append(ordered, t)
		}
	}
	return targets, ordered, nil
}

func (d *Dispatcher) matching(work context.Context, e event.Event) (targets []*match.Target, err error) {
	err = retry.WhileAway(work, d.Log, "webhooks cannot be looked up", func() error {
		targets, err = d.Matcher.Match(work, e.OrganizationID, e.Type)
		return err
	})
	return targets, err
}

// unmatched gives an event back whose webhooks cannot be read, and frees its
// slot: one organization's broken row must not hold up the others.
func (d *Dispatcher) unmatched(work context.Context, m *stream.Message, reason error) {
	if work.Err() != nil {
		return // it comes again when its time is up
	}
	d.Log.ErrorContext(work, "an event's webhooks cannot be read; it will come again",
		slog.String("subject", m.Subject), slog.Uint64("sequence", m.Sequence), slog.Any("error", reason))
	if err := m.Return(unmatchedDelay); err != nil {
		d.Log.WarnContext(work, "event was not returned and will come again later", slog.Any("error", err))
	}
}

func (d *Dispatcher) ack(work context.Context, m *stream.Message) {
	if err := m.Ack(); err != nil {
		d.Log.WarnContext(work, "event was not acknowledged and will come again", slog.Any("error", err))
	}
}
