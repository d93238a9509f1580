package dispatch

import (
	"context"
	"log/slog"
	"sync"
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
	event      event.Event
	body       []byte // of the event, shared by its deliveries

	deliveries sync.WaitGroup // in other goroutines
	unsafe     atomic.Bool    // one of them is neither recorded nor in its lane
}

// deliver delivers the event to each of its webhooks at once, and reports whether
// each delivery is recorded or in its lane. The first uses the event's slot; each
// other waits for one of its own, ahead of the pullers. The last is delivered in
// this goroutine.
func (p *pendingEvent) deliver(work context.Context, targets, ordered []*match.Target, slot *limit.Slot) bool {
	p.listOrdered(work, ordered)
	if len(targets) == 0 {
		slot.Free()
	}
	for i, t := range targets {
		if i > 0 {
			var err error
			if slot, err = p.dispatcher.Slots.Take(work); err != nil {
				p.unsafe.Store(true)
				break
			}
		}
		mine := slot
		one := func() error { return p.dispatcher.deliver(work, t, p.to(t), p.message.Redelivered, mine) }
		if i < len(targets)-1 {
			p.begin(work, t, one)
		} else {
			p.ended(work, t, one())
		}
	}
	p.deliveries.Wait()
	return !p.unsafe.Load()
}

// listOrdered records for each ordered webhook that the event waits in its place,
// unless its turn is now. The slot is held while it is found out who waits, so that
// no more events are asked for meanwhile.
func (p *pendingEvent) listOrdered(work context.Context, ordered []*match.Target) {
	for _, t := range ordered {
		of := p.to(t)
		why, err := p.dispatcher.waitsInOrder(work, t, of, p.message.Redelivered)
		if err != nil || why == "" {
			p.ended(work, t, err)
			continue
		}
		p.begin(work, t, func() error { return p.dispatcher.Deliverer.Decline(work, t, of, delivery.Deferred, why) })
	}
}

// to returns the delivery of the event to a webhook.
func (p *pendingEvent) to(t *match.Target) delivery.Delivery {
	return delivery.Of(p.event, p.body, t.Webhook.ID, p.message.Sequence, p.message.Stored)
}

// begin has a delivery made by another worker.
func (p *pendingEvent) begin(work context.Context, t *match.Target, do func() error) {
	p.deliveries.Add(1)
	p.dispatcher.workers.do(func() {
		defer p.deliveries.Done()
		p.ended(work, t, do())
	})
}

// ended notes what kept a delivery from being recorded or stored in a lane.
func (p *pendingEvent) ended(work context.Context, t *match.Target, err error) {
	if err == nil {
		return
	}
	p.unsafe.Store(true)
	if work.Err() == nil {
		p.dispatcher.Log.ErrorContext(work, "delivery neither recorded nor in its lane, event will be redelivered",
			slog.String("webhook", t.Webhook.ID), slog.Uint64("sequence", p.message.Sequence), slog.Any("error", err))
	}
}
