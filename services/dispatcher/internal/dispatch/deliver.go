package dispatch

import (
	"context"

	"github.com/dialnote/webhooks/pkg/backoff"
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/services/dispatcher/internal/limit"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
)

// deliver delivers one event to one webhook: now, when its turn has come, or by
// way of its lane. It returns when the request has ended or the delivery is in the
// lane. It calls done once, when the delivery is recorded, or with an error when the
// event must come again. It gives the slot back as soon as it needs it no more.
//
// An event that was handed out before may be recorded already. The replica that had
// it may also have put the delivery into its lane, and died before it could say so:
// then it goes into the lane again, which stores it once.
func (d *Dispatcher) deliver(ctx context.Context, t *match.Target, of delivery.Delivery, redelivered stream.Redelivered, slot *limit.Slot, done func(error)) {
	defer slot.Free()
	turn := delivery.Turn{Delivery: of, Webhook: &t.Webhook, Interrupted: redelivered == stream.SurelyRedelivered}
	if redelivered != stream.NotRedelivered {
		var err error
		if turn.Progress, err = d.progress(ctx, of); err != nil {
			done(err)
			return
		}
	}
	busy, overflow := d.Lanes.Busy(of.WebhookID)
	turn.Behind = goFirst(busy, overflow)
	plan := delivery.Plan(turn, d.Now())
	if plan.Step == delivery.PlanSend && !d.enter(ctx, limit.Of{OrganizationID: of.OrganizationID, WebhookID: of.WebhookID}, busy) {
		turn.Behind = true
		plan = delivery.Plan(turn, d.Now())
	}
	switch plan.Step {
	case delivery.PlanSend:
		d.send(ctx, turn, slot, done)
	case delivery.PlanHold:
		d.enqueue(ctx, t, turn, plan.Message, slot, done)
	case delivery.PlanDone, delivery.PlanSkip, delivery.PlanDrop: // only the first is possible: the event was matched just now
		done(nil)
	}
}

// send delivers what has entered its webhook. It looks the webhook up once more:
// waiting for the turn took time, and what is sent goes to the webhook of the
// moment it is sent.
func (d *Dispatcher) send(ctx context.Context, turn delivery.Turn, slot *limit.Slot, done func(error)) {
	t, err := backoff.Read(ctx, d.Log, backoff.Store, "look up a webhook", func() (*match.Target, error) {
		return d.Matcher.Find(ctx, turn.Delivery.OrganizationID, turn.Delivery.WebhookID)
	})
	if err != nil {
		d.Webhooks.Leave(turn.Delivery.WebhookID, 0)
		done(err)
		return
	}
	turn.Behind = d.behind(turn.Delivery.WebhookID)
	of, number := turn.Delivery, turn.Progress.Attempts+1
	plan := d.Deliverer.Begin(ctx, t, turn, slot, func(recorded delivery.Step, err error) {
		if err != nil || recorded.Decision.Action == delivery.Done {
			done(err)
			return
		}
		d.workers.do(func() { // the recorder waits for no broker
			done(d.Lanes.Settle(ctx, of, number, recorded.Decision))
		})
	})
	switch plan.Step {
	case delivery.PlanHold:
		d.enqueue(ctx, t, turn, plan.Message, slot, done)
	case delivery.PlanDone, delivery.PlanDrop:
		done(nil)
	case delivery.PlanSend, delivery.PlanSkip: // done when it is recorded
	}
}

// waitsInOrder returns why an event waits in the place of an ordered webhook, in
// the customer's words, "" when its turn is now or has been. It is recorded so that
// the event is listed from the beginning; so is its end, should its turn
// never come.
func (d *Dispatcher) waitsInOrder(ctx context.Context, t *match.Target, of delivery.Delivery, redelivered stream.Redelivered) (string, error) {
	if redelivered != stream.NotRedelivered { // it may have had its turn meanwhile
		before, err := d.progress(ctx, of)
		if err != nil || before.Attempts > 0 {
			return "", err
		}
	}
	turn := delivery.Turn{Delivery: of, Webhook: &t.Webhook, Behind: d.behind(of.WebhookID)}
	plan := delivery.Plan(turn, d.Now())
	if plan.Step == delivery.PlanSend {
		var err error
		turn.Behind, err = backoff.Read(ctx, d.Log, backoff.Broker, "count what waits before an ordered event", func() (bool, error) {
			return d.Ordered.Behind(ctx, t.Webhook)
		})
		if err != nil {
			return "", err
		}
		plan = delivery.Plan(turn, d.Now())
	}
	return plan.Message, nil
}

// behind reports whether deliveries wait in a webhook's lane that go first.
func (d *Dispatcher) behind(webhookID string) bool { return goFirst(d.Lanes.Busy(webhookID)) }

// goFirst reports whether what waits in a lane goes first: what waits because of a
// failure does, what only came faster than it could be sent does not.
func goFirst(busy, overflow bool) bool { return busy && !overflow }

// enter takes a place for an attempt to a webhook, or waits for one. What came too
// fast for a moment must not make a webhook take the long way for as long as more
// comes: while the lane is busy with nothing but that, a place that is free and that
// no delivery waits for is taken, and one of a webhook that is fast enough is waited
// for as ever.
func (d *Dispatcher) enter(ctx context.Context, of limit.Of, busy bool) bool {
	if busy && !d.Webhooks.FastEnough(of.WebhookID) {
		return d.Webhooks.TryEnter(of)
	}
	return d.Webhooks.Enter(ctx, of)
}

// enqueue stores a delivery in its lane and has it recorded that it waits there, and
// why. The slot is given back in between: a webhook in trouble must not keep the
// others' events waiting for its entries in the log.
func (d *Dispatcher) enqueue(ctx context.Context, t *match.Target, turn delivery.Turn, why string, slot *limit.Slot, done func(error)) {
	err := d.Lanes.Settle(ctx, turn.Delivery, turn.Progress.Attempts, delivery.Decision{Action: delivery.Wait})
	slot.Free()
	if err != nil {
		done(err)
		return
	}
	d.Deliverer.Decline(ctx, t, turn.Delivery, delivery.Deferred, why, func(_ delivery.Step, err error) { done(err) })
}

// progress returns what is recorded of a delivery. It waits while the database is
// away.
func (d *Dispatcher) progress(ctx context.Context, of delivery.Delivery) (delivery.Progress, error) {
	return backoff.Read(ctx, d.Log, backoff.Store, "read the delivery log", func() (delivery.Progress, error) {
		return d.Deliverer.Progress.Of(ctx, of)
	})
}
