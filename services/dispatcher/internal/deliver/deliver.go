// Package deliver sees one delivery through, from its turn to its record, in the
// goroutine of its caller: it plans, sends, records, and makes known what the
// outcome changed.
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

// Deliver does with a delivery what delivery.Plan says, and returns when that is
// recorded; to hold it is left to the caller. t is its webhook as it is now, nil
// when it no longer exists.
//
// The caller has entered the webhook and owns the slot. Deliver leaves the webhook,
// and gives the slot back when a request or a skip has to be recorded. An error
// means that nothing is known to be recorded: the delivery must come again.
func (d *Deliverer) Deliver(ctx context.Context, t *match.Target, turn delivery.Turn, slot *limit.Slot) (Result, error) {
	if turn.Webhook = nil; t != nil {
		turn.Webhook = &t.Webhook
	}
	result := Result{Plan: delivery.Plan(turn, d.Now())}
	if result.Plan.Step == delivery.PlanSend {
		var err error
		result.Number = turn.Progress.Attempts + 1
		result.Recorded, err = d.attempt(ctx, t, turn.Delivery, result.Number, slot)
		return result, err
	}
	d.Webhooks.Leave(turn.Delivery.WebhookID, 0)
	if result.Plan.Step != delivery.PlanSkip {
		return result, nil
	}
	slot.Free()
	return result, d.Decline(ctx, t, turn.Delivery, delivery.Skipped, result.Plan.Message)
}

// attempt makes the number-th attempt of a delivery and returns what was recorded
// of it. It leaves the webhook and gives the slot back as soon as the request has
// ended; after a failure no other delivery's turn comes before it is recorded.
func (d *Deliverer) attempt(ctx context.Context, t *match.Target, of delivery.Delivery, number int, slot *limit.Slot) (delivery.Step, error) {
	began := time.Now()
	sending, span := d.Tracer.Attempt(ctx, &of, t.Webhook.Provider, number)
	a, ok := Attempt(sending, d.Sender, d.Now, t, of, number)
	span.Attempted(&a.Outcome)
	if ok && a.Outcome.Result == delivery.Failed && a.Outcome.Reason.HoldsEndpoint() {
		d.Webhooks.BeginFailure(of.WebhookID)
		defer d.Webhooks.EndFailure(of.WebhookID)
	}
	d.Webhooks.Leave(of.WebhookID, time.Since(began))
	slot.Free()
	if !ok {
		return delivery.Step{}, context.Cause(ctx)
	}
	d.Metrics.Attempted(t, of, a)
	return d.record(ctx, &a)
}

// Decline records that no request was made now, and why: Deferred while the
// delivery waits, Skipped when the webhook no longer wants it.
func (d *Deliverer) Decline(ctx context.Context, t *match.Target, of delivery.Delivery, result delivery.Result, why string) error {
	a := decline(t, of, result, why, d.Now())
	_, err := d.record(ctx, &a)
	return err
}

// RecordTest records the attempt of a test that the caller has made, and makes
// known what it changed: its success ends a hold.
func (d *Deliverer) RecordTest(ctx context.Context, t *match.Target, of delivery.Delivery, a delivery.Attempt) error {
	d.Metrics.Attempted(t, of, a)
	_, err := d.record(ctx, &a)
	return err
}

// record returns when an attempt is recorded and what it changed is known here and
// announced.
func (d *Deliverer) record(ctx context.Context, a *delivery.Attempt) (delivery.Step, error) {
	recording, span := d.Tracer.Record(ctx)
	r, err := d.Recorder.Record(recording, a)
	span.Fail(err)
	if err != nil {
		return delivery.Step{}, fmt.Errorf("record attempt of delivery %s: %w", a.DeliveryID, err)
	}
	d.Metrics.Recorded(*a, r)
	if changes(r) {
		d.announce(ctx, r.Before.OrganizationID, r.Before.ID)
	}
	return r, nil
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
