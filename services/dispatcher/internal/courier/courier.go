// Package courier carries one attempt from the request to its record: send,
// take the outcome, commit it, and tell everybody what it changed.
package courier

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/trace"
	"github.com/dialnote/webhooks/services/dispatcher/internal/inflight"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
	"github.com/dialnote/webhooks/services/dispatcher/internal/record"
)

// Maker makes attempts.
type Maker interface {
	Make(ctx context.Context, t *match.Target, d delivery.Delivery, number int) (delivery.Attempt, bool)
	Decline(t *match.Target, d delivery.Delivery, result delivery.Result, message string) delivery.Attempt
}

// Recorder commits attempts.
type Recorder interface {
	Record(ctx context.Context, a *delivery.Attempt, then record.Then)
}

// Cache is what the replica knows of webhooks.
type Cache interface{ Drop(organizationID string) }

// Announcer tells the other replicas of a change.
type Announcer interface {
	Announce(change stream.Change) error
}

// Observer counts attempts.
type Observer interface {
	Attempted(t *match.Target, d delivery.Delivery, a delivery.Attempt)
	Recorded(a delivery.Attempt, r delivery.Step)
}

// Courier carries attempts. Safe for concurrent use.
type Courier struct {
	Maker     Maker
	Recorder  Recorder
	Cache     Cache
	Announcer Announcer
	Webhooks  *inflight.Webhooks
	Log       *slog.Logger
	Observer  Observer
	Tracer    *trace.Tracer
}

// Carry makes the number-th attempt of a delivery and returns what was recorded
// of it. The caller has entered the webhook and owns the slot; both are given
// back as soon as the request has ended; after a failure nobody else's turn
// comes before it is recorded. An error means that nothing is known
// to be recorded: the delivery must be tried again.
func (c *Courier) Carry(ctx context.Context, t *match.Target, d delivery.Delivery, number int, slot *inflight.Slot) (delivery.Step, error) {
	return await(ctx, func(then record.Then) { c.CarryThen(ctx, t, d, number, slot, then).Start() })
}

// CarryThen is Carry for callers that do not wait: it returns when the request
// has ended, with the delivery whose turn has come, and then is told of the
// record. It must not wait for anything.
func (c *Courier) CarryThen(ctx context.Context, t *match.Target, d delivery.Delivery, number int, slot *inflight.Slot, then record.Then) inflight.Next {
	began := time.Now()
	sending, span := c.Tracer.Attempt(ctx, &d, t.Webhook.Provider, number)
	a, ok := c.Maker.Make(sending, t, d, number)
	span.Attempted(&a.Outcome)
	id := d.WebhookID
	trouble := ok && a.Outcome.Result == delivery.Failed && a.Outcome.Reason.HoldsEndpoint()
	if trouble {
		c.Webhooks.Suspect(id)
	}
	next := c.Webhooks.Leave(id, time.Since(began))
	slot.Free()
	if !ok {
		then(delivery.Step{}, context.Cause(ctx))
		return next
	}
	c.Observer.Attempted(t, d, a)
	c.recordThen(ctx, &a, func(r delivery.Step, err error) {
		if trouble {
			c.Webhooks.Settled(id)
		}
		then(r, err)
	})
	return next
}

// Decline records that no request was made now, and why.
func (c *Courier) Decline(ctx context.Context, t *match.Target, d delivery.Delivery, result delivery.Result, message string) error {
	_, err := c.record(ctx, c.Maker.Decline(t, d, result, message))
	return err
}

// DeclineThen is Decline for callers that do not wait, as CarryThen is Carry.
func (c *Courier) DeclineThen(ctx context.Context, t *match.Target, d delivery.Delivery, result delivery.Result, message string, then record.Then) {
	a := c.Maker.Decline(t, d, result, message)
	c.recordThen(ctx, &a, then)
}

func (c *Courier) record(ctx context.Context, a delivery.Attempt) (delivery.Step, error) {
	return await(ctx, func(then record.Then) { c.recordThen(ctx, &a, then) })
}

// recordThen hands an attempt over to be recorded. then is told when everybody
// else has been told what that changes.
func (c *Courier) recordThen(ctx context.Context, a *delivery.Attempt, then record.Then) {
	recording, span := c.Tracer.Record(ctx)
	c.Recorder.Record(recording, a, func(r delivery.Step, err error) {
		span.Fail(err)
		if err != nil {
			then(delivery.Step{}, fmt.Errorf("record attempt of delivery %s: %w", a.DeliveryID, err))
			return
		}
		c.Observer.Recorded(*a, r)
		if changes(r) {
			c.tell(ctx, r.Before.OrganizationID, r.Before.ID)
		}
		then(r, nil)
	})
}

// await does something and waits until then is told, or ctx ends.
func await(ctx context.Context, do func(then record.Then)) (delivery.Step, error) {
	type result struct {
		recorded delivery.Step
		err      error
	}
	told := make(chan result, 1)
	do(func(r delivery.Step, err error) { told <- result{r, err} })
	select {
	case got := <-told:
		return got.recorded, got.err
	case <-ctx.Done():
		return delivery.Step{}, ctx.Err()
	}
}

// tell drops what this replica knows of the webhook before anything that
// follows from the change is done, and tells the others.
func (c *Courier) tell(ctx context.Context, organizationID, webhookID string) {
	c.Cache.Drop(organizationID)
	err := c.Announcer.Announce(stream.Change{OrganizationID: organizationID, WebhookID: webhookID})
	if err != nil {
		// The others find out when their lease ends or an attempt fails.
		c.Log.WarnContext(ctx, "a webhook's change was not announced", slog.String("webhook", webhookID), slog.Any("error", err))
	}
}

// changes reports whether an outcome changed what may be sent to a webhook.
func changes(r delivery.Step) bool {
	return r.Found && (r.Decision.Action == delivery.Remove ||
		!r.Before.Health.HoldUntil.Equal(r.After.Health.HoldUntil) ||
		r.Before.Health.AutoDisabled != r.After.Health.AutoDisabled)
}
