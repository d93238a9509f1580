package dispatch

import (
	"context"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/dispatcher/internal/inflight"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
	"github.com/dialnote/webhooks/services/dispatcher/internal/record"
	"github.com/dialnote/webhooks/services/dispatcher/internal/retry"
)

// Why a delivery waits in its lane, in the customer's words.
const (
	waitsInLine = "Waiting for earlier deliveries to this webhook."
	waitsAnew   = "Waiting to be sent: it was interrupted before."
)

// Lanes keep the deliveries that cannot go at once.
type Lanes interface {
	Busy(webhookID string) (busy, overflow bool)
	Put(ctx context.Context, d delivery.Delivery, attempts int) error
	Schedule(ctx context.Context, d delivery.Delivery, attempts int, at time.Time) error
	Remove(ctx context.Context, webhookID string) error
}

// Carrier carries attempts to their record.
type Carrier interface {
	CarryThen(ctx context.Context, t *match.Target, d delivery.Delivery, number int, slot *inflight.Slot, then record.Then) inflight.Next
	DeclineThen(ctx context.Context, t *match.Target, d delivery.Delivery, result delivery.Result, message string, then record.Then)
}

// Progress reads what is already recorded of a delivery.
type Progress interface {
	Of(ctx context.Context, d delivery.Delivery) (delivery.Progress, error)
}

// Deliver delivers one event to one webhook: now, when its turn has come, or by
// way of its lane. again says whether the event was handed out before, and may be
// recorded already. It gives the slot back as soon as it needs it no more, and
// then is told when the delivery is safe: recorded, or stored in the lane. An
// error means that the event must come again. What it returns is for the caller to
// run.
//
// Whoever had the event before and died may have put the delivery into its lane,
// and had no time to say so. To send it from here would be to send it twice at the
// same moment; so it goes into the lane again, which stores it once.
func (d *Dispatcher) Deliver(ctx context.Context, t *match.Target, dl delivery.Delivery, again stream.Redelivered, slot *inflight.Slot, then func(error)) inflight.Next {
	var before delivery.Progress
	if again != stream.NotRedelivered {
		var err error
		if before, err = d.progress(ctx, dl); err != nil || before.Delivered {
			slot.Free()
			then(err)
			return inflight.Next{}
		}
	}
	why := d.mustWait(t.Webhook)
	if why == "" && again == stream.SurelyRedelivered {
		why = waitsAnew
	}
	if why != "" {
		d.enlane(ctx, t, dl, before.Attempts, why, slot, then)
		return inflight.Next{}
	}
	return d.enter(dl.WebhookID, func(entered bool) inflight.Next {
		if entered {
			return d.send(ctx, dl, before.Attempts, slot, then)
		}
		d.enlane(ctx, t, dl, before.Attempts, waitsInLine, slot, then)
		return inflight.Next{}
	})
}

// send makes the next attempt of a delivery whose turn has come. It looks the
// webhook up once more: waiting for the turn took time, and what is sent goes
// to the webhook of the moment it is sent.
func (d *Dispatcher) send(ctx context.Context, dl delivery.Delivery, attempts int, slot *inflight.Slot, then func(error)) inflight.Next {
	now, err := d.find(ctx, dl)
	if err != nil || now == nil { // deleted: nothing is owed to it
		slot.Free()
		then(err)
		return d.Webhooks.Leave(dl.WebhookID, 0)
	}
	if !now.Webhook.Event.Matches(dl.EventType) {
		next := d.Webhooks.Leave(dl.WebhookID, 0)
		slot.Free()
		d.Carrier.DeclineThen(ctx, now, dl, delivery.Skipped, "The webhook no longer sends this event.",
			func(_ delivery.Step, err error) { then(err) })
		return next
	}
	if why := d.mustWait(now.Webhook); why != "" {
		d.Webhooks.Leave(dl.WebhookID, 0).Start() // putting it aside takes its time
		d.enlane(ctx, now, dl, attempts, why, slot, then)
		return inflight.Next{}
	}
	number := attempts + 1
	return d.Carrier.CarryThen(ctx, now, dl, number, slot, func(recorded delivery.Step, err error) {
		if err != nil || recorded.Decision.Action == delivery.Done {
			then(err)
			return
		}
		go func() { then(d.settle(ctx, dl, number, recorded.Decision)) }() // it waits for the broker
	})
}

// note records of an event that an ordered webhook reads by itself that it waits
// there, and why, unless its turn is now: so it is listed from the beginning, and
// what becomes of it is, should its turn never come. then is told when that is
// done.
func (d *Dispatcher) note(ctx context.Context, t *match.Target, dl delivery.Delivery, again stream.Redelivered, then func(error)) {
	if again != stream.NotRedelivered { // it may have had its turn meanwhile
		before, err := d.progress(ctx, dl)
		if err != nil || before.Attempts > 0 {
			then(err)
			return
		}
	}
	why := d.mustWait(t.Webhook)
	if why == "" {
		behind := false
		err := retry.WhileAway(ctx, d.Log, "nobody knows who waits before an ordered event", func() (err error) {
			behind, err = d.Ordered.Behind(ctx, t.Webhook)
			return err
		})
		if err != nil || !behind {
			then(err)
			return
		}
		why = waitsInLine
	}
	d.Carrier.DeclineThen(ctx, t, dl, delivery.Deferred, why, func(_ delivery.Step, err error) { then(err) })
}

// mustWait returns why a delivery has to wait in its lane, in the customer's
// words, "" when it need not.
func (d *Dispatcher) mustWait(w webhook.Webhook) string {
	switch {
	case w.Health.AutoDisabled != webhook.NotAutoDisabled:
		return "Held: the webhook was disabled automatically. Enable it to deliver this event."
	case w.Health.OnHold():
		return "Held: the webhook is paused after a failure and will be tried again soon."
	}
	if busy, overflow := d.Lanes.Busy(w.ID); busy && !overflow {
		return waitsInLine
	}
	return ""
}

// enter takes a place for an attempt to a webhook, or waits for one, and goes on
// with entered. What came too fast for a moment must not make a webhook take the
// long way for as long as more comes: while nothing but that waits in its lane, a
// place that is free and wanted by nobody before is taken, and one that keeps up
// is waited for as ever.
func (d *Dispatcher) enter(webhookID string, entered inflight.Entered) inflight.Next {
	if busy, _ := d.Lanes.Busy(webhookID); busy && !d.Webhooks.KeepsUp(webhookID) {
		return entered(d.Webhooks.TryEnter(webhookID))
	}
	return d.Webhooks.Enter(webhookID, entered)
}

// enlane stores a delivery in its lane and has it recorded that it waits there. The
// slot is given back in between: a webhook in trouble must not keep the others'
// events waiting for its entries in the log.
func (d *Dispatcher) enlane(ctx context.Context, t *match.Target, dl delivery.Delivery, attempts int, why string, slot *inflight.Slot, then func(error)) {
	err := retry.Until(ctx, d.Log, "deliveries cannot be put into their lanes", func() error {
		return d.Lanes.Put(ctx, dl, attempts)
	})
	slot.Free()
	if err != nil {
		then(err)
		return
	}
	d.Carrier.DeclineThen(ctx, t, dl, delivery.Deferred, why, func(_ delivery.Step, err error) { then(err) })
}

// settle does what was decided after an attempt.
func (d *Dispatcher) settle(ctx context.Context, dl delivery.Delivery, number int, decision delivery.Decision) error {
	return retry.Until(ctx, d.Log, "deliveries cannot be put into their lanes", func() error {
		switch decision.Action {
		case delivery.Retry:
			return d.Lanes.Schedule(ctx, dl, number, decision.At)
		case delivery.Wait:
			return d.Lanes.Put(ctx, dl, number)
		case delivery.Remove:
			return d.Lanes.Remove(ctx, dl.WebhookID)
		case delivery.Done:
		}
		return nil
	})
}

func (d *Dispatcher) find(ctx context.Context, dl delivery.Delivery) (t *match.Target, err error) {
	err = retry.WhileAway(ctx, d.Log, "webhooks cannot be looked up", func() error {
		t, err = d.Matcher.Find(ctx, dl.OrganizationID, dl.WebhookID)
		return err
	})
	return t, err
}

func (d *Dispatcher) progress(ctx context.Context, dl delivery.Delivery) (p delivery.Progress, err error) {
	err = retry.WhileAway(ctx, d.Log, "the delivery log cannot be read", func() error {
		p, err = d.Progress.Of(ctx, dl)
		return err
	})
	return p, err
}
