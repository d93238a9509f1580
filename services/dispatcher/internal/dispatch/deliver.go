package dispatch

import (
	"context"

	"github.com/dialnote/webhooks/pkg/backoff"
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/dispatcher/internal/limit"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
)

// inHand is a delivery of an event that this replica works on, until it is recorded.
type inHand struct {
	*Dispatcher

	turn delivery.Turn
	slot *limit.Slot
	done func(error) // called once, when the delivery is recorded and what follows is stored, or with an error when the event must come again
}

// deliver delivers one event to one webhook: now, when its turn has come, or later,
// when it has to wait. It returns when the request has ended, or the delivery is given
// to the recorder or is in its webhook's line, and returns what the goroutine does
// next. It gives the slot back as soon as the delivery needs it no more.
//
// An event that was handed out before may be recorded already. The replica that had
// it may also have kept the delivery, and died before it could acknowledge: then it is
// kept again, which keeps it once.
func (h *inHand) deliver(ctx context.Context, t *match.Target, redelivered stream.Redelivered) limit.Job {
	h.turn.Delivery.Waits = delivery.MayWait
	of := h.turn.Delivery
	if redelivered != stream.NotRedelivered {
		var err error
		if h.turn.Progress, err = h.progress(ctx, of); err != nil {
			return h.end(err)
		}
		h.turn.Interrupted = h.turn.Interrupted || h.turn.Progress.EventSequence != 0
	}
	busy, overflow := h.Waiting.Busy(of.WebhookID)
	h.turn.Behind = goFirst(busy, overflow)
	plan := delivery.Plan(h.turn, h.Now())
	if plan.Step != delivery.PlanSend {
		return h.keep(ctx, t, plan)
	}
	return h.enter(ctx, busy, func(entered bool) limit.Job {
		if entered {
			return h.send(ctx)
		}
		h.turn.Behind = true
		return h.keep(ctx, t, delivery.Plan(h.turn, h.Now()))
	})
}

// send delivers what has entered its webhook. It looks the webhook up once more:
// waiting for the turn took time, and what is sent goes to the webhook of the
// moment it is sent.
func (h *inHand) send(ctx context.Context) limit.Job {
	of, number := h.turn.Delivery, h.turn.Progress.Attempts+1
	t, err := backoff.Read(ctx, h.Log, backoff.Store, "look up a webhook", func() (*match.Target, error) {
		return h.Matcher.Find(ctx, of.OrganizationID, of.WebhookID)
	})
	if err != nil {
		h.Webhooks.Leave(of.WebhookID, 0)
		return h.end(err)
	}
	h.turn.Behind = h.behind(of.WebhookID)
	plan, next := h.Deliverer.Begin(ctx, t, h.turn, h.slot, func(recorded delivery.Step, err error) {
		if err != nil || recorded.Decision.Action == delivery.Done || recorded.Decision.Action == delivery.Wait {
			h.done(err) // what waits is kept with its record
			return
		}
		h.Workers.Do(func() limit.Job { // the recorder waits for no broker
			h.done(h.Lanes.Settle(ctx, of, number, recorded.Decision))
			return nil
		})
	})
	if plan.Step != delivery.PlanSend && plan.Step != delivery.PlanSkip { // those are done when they are recorded
		h.Webhooks.Do(next)
		return h.keep(ctx, t, plan)
	}
	return next
}

// end ends a delivery that is neither sent nor kept.
func (h *inHand) end(err error) limit.Job {
	h.slot.Free()
	h.done(err)
	return nil
}

// keep does what a plan says of a delivery that is not sent. It has it recorded that
// one has to wait for its webhook, and why: with that record it is kept. The slot is
// given back: a webhook in trouble must not keep the others' events waiting for its
// entries in the log.
func (h *inHand) keep(ctx context.Context, t *match.Target, plan delivery.Planned) limit.Job {
	if plan.Step != delivery.PlanHold {
		return h.end(nil) // it is recorded, or its webhook is gone
	}
	h.slot.Free()
	id, due := h.turn.Delivery.WebhookID, t.Webhook.Status() == webhook.StatusActive && !h.Now().Before(t.Webhook.Health.HoldUntil)
	d, done := h.Dispatcher, h.done
	h.Deliverer.Decline(ctx, t, h.turn.Delivery, delivery.Deferred, plan.Message, func(_ delivery.Step, err error) {
		if err == nil && due {
			d.Waiting.Kept(id)
		}
		done(err)
	})
	return nil
}

// enter takes a place for an attempt, or waits for one, and calls then. What came too
// fast for a moment must not make a webhook take the long way for as long as more
// comes: while nothing waits but that, a place that is free and that no other delivery
// is in line for is taken, and one of a webhook that is fast enough is waited
// for as ever.
func (h *inHand) enter(ctx context.Context, busy bool, then func(entered bool) limit.Job) limit.Job {
	of := limit.Of{OrganizationID: h.turn.Delivery.OrganizationID, WebhookID: h.turn.Delivery.WebhookID}
	if busy && !h.Webhooks.FastEnough(of.WebhookID) {
		return then(h.Webhooks.TryEnter(of))
	}
	return h.Webhooks.Enter(ctx, of, then)
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

// behind reports whether deliveries wait for a webhook that go first.
func (d *Dispatcher) behind(webhookID string) bool { return goFirst(d.Waiting.Busy(webhookID)) }

// goFirst reports whether what waits goes first: what waits because of a failure
// does, what only came faster than it could be sent does not.
func goFirst(busy, overflow bool) bool { return busy && !overflow }

// progress returns what is recorded of a delivery. It waits while the database is
// away.
func (d *Dispatcher) progress(ctx context.Context, of delivery.Delivery) (delivery.Progress, error) {
	return backoff.Read(ctx, d.Log, backoff.Store, "read the delivery log", func() (delivery.Progress, error) {
		return d.Deliverer.Progress.Of(ctx, of)
	})
}
