package manage

import (
	"context"
	"errors"
	"fmt"

	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// Enable makes a webhook that was disabled automatically active again, with
// nothing counted. With discard the events that wait for it are removed first.
// An active webhook is returned as it is, and nothing is discarded; for a
// disabled one it returns a Conflict (specification, section 5.8).
func (s *Service) Enable(ctx context.Context, by audit.Actor, organizationID, id string, discard bool) (View, error) {
	w, err := s.Webhooks.Get(ctx, organizationID, id)
	if err != nil {
		return View{}, fmt.Errorf("get webhook %s: %w", id, err)
	}
	if discard && w.Status() == webhook.StatusAutoDisabled {
		if err := s.note(ctx, audit.Of(by, audit.WebhookHeldDiscarded, w, s.now())); err != nil {
			return View{}, err
		}
		// Before it is enabled, or some would already be sent.
		if err := s.drop(ctx, id); err != nil {
			return View{}, err
		}
		if err := s.skipHeld(ctx, w, "Skipped: the webhook was enabled without the events that it held."); err != nil {
			return View{}, err
		}
	}
	w, err = s.enable(ctx, by, organizationID, id, discard)
	if err != nil {
		return View{}, err
	}
	if err := s.settleChange(ctx, w); err != nil {
		return View{}, err
	}
	return s.view(ctx, w)[0], nil
}

// enable saves the new health. It checks the status again under the lock.
func (s *Service) enable(ctx context.Context, by audit.Actor, organizationID, id string, discard bool) (webhook.Webhook, error) {
	var before webhook.Webhook
	w, err := s.Webhooks.Update(ctx, by, organizationID, id, 0, func(w webhook.Webhook) (webhook.Webhook, error) {
		before = w
		switch w.Status() {
		case webhook.StatusActive:
			return w, errUnchanged
		case webhook.StatusDisabled:
			return w, fault.New(fault.Conflict, "webhook-disabled",
				"This webhook is disabled by its event setting. Choose an event for it instead.")
		case webhook.StatusAutoDisabled:
		}
		if discard && w.Ordered() {
			next, err := s.Stream.NextSequence(ctx)
			if err != nil {
				return w, fmt.Errorf("place it in the event stream: %w", err)
			}
			w = w.Restart(next)
		}
		now := s.now()
		w.Health = w.Health.Enable(now)
		w.UpdatedAt = now
		return w, nil
	})
	if errors.Is(err, errUnchanged) {
		return before, nil
	}
	if err != nil {
		return w, fmt.Errorf("enable webhook %s: %w", id, err)
	}
	return w, nil
}
