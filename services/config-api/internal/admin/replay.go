package admin

import (
	"context"
	"fmt"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/config-api/internal/manage"
)

// ReplayScope is what to replay.
type ReplayScope struct {
	OrganizationID string // "" for all
	WebhookID      string // of the organization; "" for all
	Since          time.Time
	Until          *time.Time // now when nil
	DryRun         bool       // only count
}

// Replayed is the result for one webhook.
type Replayed struct {
	Webhook  webhook.Webhook
	Recovery delivery.Recovery // the job that was started
	Refused  string            // why none was, in words; "" when one was
}

// Replay starts a recovery of each webhook in a scope: of the events that were
// accepted then, the dispatchers deliver those that the webhook missed, durably
// and at its pace. It passes over a webhook that is disabled, or has such a job
// already. It calls done for each webhook. It returns NotFound when the
// organization does not have the webhook.
func (o *Operator) Replay(ctx context.Context, s ReplayScope, done func(Replayed) error) error {
	found := s.WebhookID == ""
	err := o.each(ctx, store.Selection{OrganizationID: s.OrganizationID}, func(w webhook.Webhook) error {
		if s.WebhookID != "" && w.ID != s.WebhookID {
			return nil
		}
		found = true
		r, err := o.replay(ctx, w, s)
		if err != nil {
			return err
		}
		return done(r)
	}, func(w webhook.Webhook, why string) error {
		if s.WebhookID != "" && w.ID != s.WebhookID {
			return nil
		}
		found = true
		return done(Replayed{Webhook: w, Refused: why})
	})
	if err == nil && !found {
		err = fault.Newf(fault.NotFound, "webhook-not-found", "%s has no webhook %s.", s.OrganizationID, s.WebhookID)
	}
	return err
}

func (o *Operator) replay(ctx context.Context, w webhook.Webhook, s ReplayScope) (Replayed, error) {
	draft := manage.RecoveryDraft{Since: s.Since, Until: s.Until, DryRun: s.DryRun}
	r, err := o.Manage.Recover(ctx, o.By, w.OrganizationID, w.ID, draft, nil)
	switch {
	case fault.Is(err, fault.Conflict), fault.Is(err, fault.NotFound): // disabled, busy, or deleted just now
		return Replayed{Webhook: w, Refused: fault.Of(err).Detail}, nil
	case err != nil:
		return Replayed{}, fmt.Errorf("replay webhook %s: %w", w.ID, err)
	}
	return Replayed{Webhook: w, Recovery: r}, nil
}

// Await waits until a job has ended and returns it then, or an error when ctx
// ended first. A job of a webhook that was deleted meanwhile has ended.
func (o *Operator) Await(ctx context.Context, r delivery.Recovery) (delivery.Recovery, error) {
	again := time.NewTicker(500 * time.Millisecond)
	defer again.Stop()
	for {
		now, err := o.Manage.Recovery(ctx, r.OrganizationID, r.WebhookID, r.ID)
		switch {
		case fault.Is(err, fault.NotFound):
			return r.End(delivery.RecoveryFailed, "The webhook was deleted.", time.Now()), nil
		case err != nil && !fault.Is(err, fault.Unavailable):
			return r, err
		case err == nil && now.Status != delivery.RecoveryRunning:
			return now, nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return r, fmt.Errorf("wait for recovery %s: %w", r.ID, ctx.Err())
		}
	}
}
