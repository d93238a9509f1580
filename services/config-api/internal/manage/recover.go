package manage

import (
	"context"
	"fmt"
	"time"

	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// RecoveryDraft says what to recover.
type RecoveryDraft struct {
	Since  time.Time
	Until  *time.Time // now when nil, and at the latest
	DryRun bool       // only count
}

// Recover starts a job that delivers what a webhook missed. The dispatchers
// work on it. It returns NotFound, an Invalid fault for an empty time, or a
// Conflict when the webhook is disabled by its event setting or has a recovery
// already.
func (s *Service) Recover(ctx context.Context, by audit.Actor, organizationID, webhookID string, d RecoveryDraft, wrong []fault.Field) (delivery.Recovery, error) {
	now := s.now()
	until := now
	if d.Until != nil && d.Until.Before(now) {
		until = delivery.Recordable(*d.Until)
	}
	since := delivery.Recordable(d.Since)
	if epoch := time.Unix(0, 0).UTC(); since.Before(epoch) {
		since = epoch // no event is older, and not every database stores such times
	}
	if len(wrong) == 0 && !since.Before(until) {
		wrong = append(wrong, fault.Field{Pointer: "/since", Detail: "since must be before until, and in the past."})
	}
	if len(wrong) > 0 {
		return delivery.Recovery{}, fault.InvalidFields(wrong...)
	}
	w, err := s.Webhooks.Get(ctx, organizationID, webhookID)
	if err != nil {
		return delivery.Recovery{}, fmt.Errorf("get webhook %s: %w", webhookID, err)
	}
	if w.Status() == webhook.StatusDisabled {
		return delivery.Recovery{}, fault.New(fault.Conflict, "webhook-disabled",
			"This webhook is disabled by its event setting. Choose an event for it first.")
	}
	id, err := newULID(now)
	if err != nil {
		return delivery.Recovery{}, err
	}
	r := delivery.Recovery{
		ID: "rec_" + id, OrganizationID: organizationID, WebhookID: webhookID, EventType: event.Type(w.Event),
		Since: since, Until: until, DryRun: d.DryRun, Status: delivery.RecoveryRunning, CreatedAt: now,
	}
	events := stream.EventRange{OrganizationID: organizationID, Type: r.EventType, Since: since}
	if r.Total, err = s.Stream.CountHistory(ctx, events, until); err != nil {
		return delivery.Recovery{}, fmt.Errorf("count the events to recover: %w", err)
	}
	if err := s.Recoveries.CreateRecovery(ctx, by, r); err != nil {
		return delivery.Recovery{}, fmt.Errorf("insert recovery of webhook %s: %w", webhookID, err)
	}
	return r, nil
}

// Recovery returns a recovery, or NotFound.
func (s *Service) Recovery(ctx context.Context, organizationID, webhookID, id string) (delivery.Recovery, error) {
	r, err := s.Recoveries.GetRecovery(ctx, organizationID, webhookID, id)
	if err != nil {
		return delivery.Recovery{}, fmt.Errorf("get recovery %s: %w", id, err)
	}
	return r, nil
}

// LastRecoveries returns at most so many of a webhook's last recoveries and
// previews, newest first. It does not check that the webhook exists.
func (s *Service) LastRecoveries(ctx context.Context, organizationID, webhookID string, limit int) ([]delivery.Recovery, error) {
	list, err := s.Recoveries.ListRecoveries(ctx, organizationID, webhookID, limit)
	if err != nil {
		return nil, fmt.Errorf("list recoveries of webhook %s: %w", webhookID, err)
	}
	return list, nil
}

// CancelRecovery ends a recovery. What it has queued is still delivered, and
// one that has ended stays as it is. It returns NotFound.
func (s *Service) CancelRecovery(ctx context.Context, by audit.Actor, organizationID, webhookID, id string) error {
	if err := s.Recoveries.CancelRecovery(ctx, by, organizationID, webhookID, id, s.now()); err != nil {
		return fmt.Errorf("cancel recovery %s: %w", id, err)
	}
	return nil
}
