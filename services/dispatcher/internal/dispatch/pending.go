package dispatch

import (
	"context"
	"log/slog"
	"sync/atomic"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/services/dispatcher/internal/limit"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
)

// pendingEvent is one event whose deliveries are under way.
type pendingEvent struct {
	dispatcher *Dispatcher
	message    *stream.Message
	lot        *limit.Lot // of the event's partition
	event      event.Event
	body       []byte          // of the event, shared by its deliveries
	finished   func(safe bool) // called once, when each delivery has ended

	open   atomic.Int32 // deliveries that have not ended, and one while they begin
	unsafe atomic.Bool  // one of them is not recorded, or what follows is not stored
}

// deliver delivers the event to each of its webhooks at once; finished is called when
// each delivery is recorded, or the event must come again. The first
// uses the event's slot; each other waits for one of its own, ahead of the pullers.
// Workers deliver all but the last, which the caller delivers next.
func (p *pendingEvent) deliver(work context.Context, targets, ordered []*match.Target, slot *limit.Slot) (last limit.Job) {
	p.open.Store(1)
	defer p.end()
	p.listOrdered(work, ordered)
	if len(targets) == 0 {
		slot.Free()
	}
	for i, t := range targets {
		if i > 0 {
			var err error
			if slot, err = p.dispatcher.Slots.Take(work); err != nil {
				p.unsafe.Store(true)
				return nil
			}
		}
		turn := delivery.Turn{Delivery: p.to(t), Webhook: &t.Webhook, Interrupted: p.message.Redelivered == stream.SurelyRedelivered}
		h := &inHand{Dispatcher: p.dispatcher, turn: turn, slot: slot, done: p.begin(work, t)}
		one := func() limit.Job { return h.deliver(work, t, p.message.Redelivered) }
		if i == len(targets)-1 {
			p.event, p.body, p.message.Data = event.Event{}, nil, nil // what waits to be recorded keeps no body
			return one
		}
		p.dispatcher.Workers.Do(one)
	}
	return nil
}

// listOrdered has it recorded for each ordered webhook that the event waits in its
// place, unless its turn is now. The slot is held while it is found out who waits,
// so that no more events are asked for meanwhile.
func (p *pendingEvent) listOrdered(work context.Context, ordered []*match.Target) {
	for _, t := range ordered {
		of, done := p.to(t), p.begin(work, t)
		why, err := p.dispatcher.waitsInOrder(work, t, of, p.message.Redelivered)
		if err != nil || why == "" {
			done(err)
			continue
		}
		p.dispatcher.Deliverer.Decline(work, t, of, delivery.Deferred, why, func(_ delivery.Step, err error) { done(err) })
	}
}

// to returns the delivery of the event to a webhook.
func (p *pendingEvent) to(t *match.Target) delivery.Delivery {
	return delivery.Of(p.event, p.body, t.Webhook.ID, p.message.Sequence, p.message.Stored)
}

// begin begins a delivery, and returns what must be called once when it has ended,
// with what kept it from being recorded or stored in a lane.
func (p *pendingEvent) begin(work context.Context, t *match.Target) (done func(error)) {
	p.open.Add(1)
	p.lot.Begin()
	return func(err error) {
		p.lot.End()
		if err != nil {
			p.unsafe.Store(true)
			if work.Err() == nil {
				p.dispatcher.Log.ErrorContext(work, "delivery neither recorded nor in its lane, event will be redelivered",
					slog.String("webhook", t.Webhook.ID), slog.Uint64("sequence", p.message.Sequence), slog.Any("error", err))
			}
		}
		p.end()
	}
}

// end counts one delivery that has ended, or that all have begun.
func (p *pendingEvent) end() {
	if p.open.Add(-1) == 0 {
		p.finished(!p.unsafe.Load())
	}
}
