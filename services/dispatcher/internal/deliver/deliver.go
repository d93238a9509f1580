// Package deliver sees one delivery through, from its turn to its record: it plans,
// sends, hands the outcome to the recorder, and makes known what the outcome
// changed.
package deliver

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/trace"
	"github.com/dialnote/webhooks/services/dispatcher/internal/limit"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
	"github.com/dialnote/webhooks/services/dispatcher/internal/metrics"
	"github.com/dialnote/webhooks/services/dispatcher/internal/record"
)

// Announcer announces changes to the other replicas.
type Announcer interface {
	Announce(change stream.Change) error
}

// Deliverer delivers. Safe for concurrent use.
type Deliverer struct {
	Sender    Sender
	Recorder  *record.Recorder
	Progress  *record.ProgressReader
	Matcher   *match.Matcher
	Announcer Announcer
	Webhooks  *limit.Webhooks
	Metrics   *metrics.Observed
	Tracer    *trace.Tracer
	Now       func() time.Time
	Log       *slog.Logger
}

// By returns a deliverer whose attempts are counted by other metrics.
func (d *Deliverer) By(m *metrics.Observed) *Deliverer {
	other := *d
	other.Metrics = m
	return &other
}

// WaitForCapacity waits while too many outcomes are unrecorded. It returns ctx's
// error when ctx ends first.
func (d *Deliverer) WaitForCapacity(ctx context.Context) error {
	return d.Recorder.WaitForCapacity(ctx)
}

// Result is what became of a delivery whose turn had come.
type Result struct {
	Plan     delivery.Planned
	Number   int           // of the attempt, when it was sent
	Recorded delivery.Step // of the attempt, when it was sent
}

// Deliver is Begin, and returns when what Begin says will be recorded is. An error
// means that nothing is known to be recorded: the delivery must come again.
func (d *Deliverer) Deliver(ctx context.Context, t *match.Target, turn delivery.Turn, slot *limit.Slot) (Result, error) {
	answer := record.NewAnswer()
	plan, next := d.Begin(ctx, t, turn, slot, answer.Recorded)
	d.Webhooks.Do(next)
	result := Result{Plan: plan}
	var err error
	switch result.Plan.Step {
	case delivery.PlanSend:
		result.Number = turn.Progress.Attempts + 1
		result.Recorded, err = answer.Wait(ctx)
	case delivery.PlanSkip:
		_, err = answer.Wait(ctx)
	case delivery.PlanHold, delivery.PlanDrop, delivery.PlanDone: // nothing is recorded
	}
	return result, err
}

// Begin does with a delivery what delivery.Plan says, and returns the plan when a
// request has ended or none is to be made. What the plan records is recorded after
// that: the recorder calls recorded once, with an error when nothing is known to be
// recorded, and the delivery must come again; recorded must not block. To hold a
// delivery is left to the caller. t is the delivery's webhook as it is now, nil when
// it no longer exists.
//
// The caller has entered the webhook and owns the slot. Begin leaves the webhook,
// and gives the slot back when a request or a skip has to be recorded. It returns as
// next the webhook's delivery whose turn has come, which the caller does or has done.
func (d *Deliverer) Begin(ctx context.Context, t *match.Target, turn delivery.Turn, slot *limit.Slot, recorded func(delivery.Step, error)) (plan delivery.Planned, next limit.Job) {
	if turn.Webhook = nil; t != nil {
		turn.Webhook = &t.Webhook
	}
	plan = delivery.Plan(turn, d.Now())
	if plan.Step == delivery.PlanSend {
		return plan, d.attempt(ctx, t, turn.Delivery, turn.Progress.Attempts+1, slot, recorded)
	}
	next = d.Webhooks.Pass(turn.Delivery.WebhookID, 0)
	if plan.Step == delivery.PlanSkip {
		slot.Free()
		d.Decline(ctx, t, turn.Delivery, delivery.Skipped, plan.Message, recorded)
	}
	return plan, next
}

// attempt makes the number-th attempt of a delivery and has it recorded. It leaves
// the webhook and gives the slot back as soon as the request has ended, and returns
// the delivery whose turn has come then; after a failure no other delivery's turn
// comes before it is recorded.
func (d *Deliverer) attempt(ctx context.Context, t *match.Target, of delivery.Delivery, number int, slot *limit.Slot, recorded func(delivery.Step, error)) limit.Job {
	began := time.Now()
	sending, span := d.Tracer.Attempt(ctx, &of, t.Webhook.Provider, number)
	a, ok := Attempt(sending, d.Sender, d.Now, t, of, number)
	span.Attempted(&a.Outcome)
	if ok && a.Outcome.Result == delivery.Failed && a.Outcome.Reason.HoldsEndpoint() {
		d.Webhooks.BeginFailure(limit.Of{OrganizationID: of.OrganizationID, WebhookID: of.WebhookID})
		then := recorded
		recorded = func(s delivery.Step, err error) {
			d.Webhooks.EndFailure(of.WebhookID)
			then(s, err)
		}
	}
	next := d.Webhooks.Pass(of.WebhookID, time.Since(began))
	slot.Free()
	if !ok {
		recorded(delivery.Step{}, context.Cause(ctx))
		return next
	}
	d.Metrics.Attempted(t, of, a)
	d.record(ctx, &a, recorded)
	return next
}

// Decline has it recorded that no request was made now, and why: Deferred while the
// delivery waits, Skipped when the webhook no longer wants it.
func (d *Deliverer) Decline(ctx context.Context, t *match.Target, of delivery.Delivery, result delivery.Result, why string, recorded func(delivery.Step, error)) {
	a := decline(t, of, result, why, d.Now())
	d.record(ctx, &a, recorded)
}

// RecordTest records the attempt of a test that the caller has made, and makes
// known what it changed: its success ends a hold.
func (d *Deliverer) RecordTest(ctx context.Context, t *match.Target, of delivery.Delivery, a delivery.Attempt) error {
	d.Metrics.Attempted(t, of, a)
	answer := record.NewAnswer()
	d.record(ctx, &a, answer.Recorded)
	_, err := answer.Wait(ctx)
	return err
}

// record has an attempt recorded. When it is, and what it changed is known here and
// announced, recorded is called.
func (d *Deliverer) record(ctx context.Context, a *delivery.Attempt, recorded func(delivery.Step, error)) {
	_, span := d.Tracer.Record(ctx)
	d.Recorder.Submit(a, func(s delivery.Step, err error) {
		span.Fail(err)
		if err != nil {
			recorded(delivery.Step{}, fmt.Errorf("record attempt of delivery %s: %w", a.DeliveryID, err))
			return
		}
		d.Metrics.Recorded(*a, s)
		if changes(s) {
			d.announce(ctx, s.Before.OrganizationID, s.Before.ID)
		}
		recorded(s, nil)
	})
}

// announce drops what this replica knows of the webhook, before anything is done
// that follows from the change, and announces the change to the others.
func (d *Deliverer) announce(ctx context.Context, organizationID, webhookID string) {
	d.Matcher.Drop(organizationID)
	err := d.Announcer.Announce(stream.Change{OrganizationID: organizationID, WebhookID: webhookID})
	if err != nil {
		// The others find out when their lease ends or an attempt fails.
		d.Log.WarnContext(ctx, "webhook change not announced", slog.String("webhook", webhookID), slog.Any("error", err))
	}
}

// changes reports whether an outcome changed what may be sent to a webhook.
func changes(r delivery.Step) bool {
	return r.Found && (r.Decision.Action == delivery.Remove ||
		!r.Before.Health.HoldUntil.Equal(r.After.Health.HoldUntil) ||
		r.Before.Health.AutoDisabled != r.After.Health.AutoDisabled)
}
