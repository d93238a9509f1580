package admin

import (
	"context"
	"fmt"
	"slices"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/config-api/internal/manage"
)

// Disable sets the event setting of an organization's webhooks to disabled: of
// those in only, or of all when it is empty. Once it has returned nil, no
// dispatcher sends anything for them. Their held events are gone, as when a
// customer disables a webhook.
//
// It calls done with each webhook, as it was, after saving the change; a dry run
// only calls done. It returns NotFound when the organization lacks a webhook of
// only.
func (o *Operator) Disable(ctx context.Context, organizationID string, only []string, dryRun bool, done func(webhook.Webhook) error) error {
	missing := slices.Clone(only)
	err := o.each(ctx, store.Selection{OrganizationID: organizationID}, func(w webhook.Webhook) error {
		if len(only) > 0 && !slices.Contains(only, w.ID) {
			return nil
		}
		missing = slices.DeleteFunc(missing, func(id string) bool { return id == w.ID })
		if !dryRun && w.Status() != webhook.StatusDisabled {
			off := webhook.Disabled
			if _, err := o.Manage.Change(ctx, o.By, organizationID, w.ID, manage.Versions{}, webhook.Change{Event: &off}, nil); err != nil {
				return fmt.Errorf("disable webhook %s: %w", w.ID, err)
			}
		}
		return done(w)
	}, func(w webhook.Webhook, why string) error {
		return fmt.Errorf("disable webhook %s: %s", w.ID, why)
	})
	if err == nil && len(missing) > 0 {
		err = fault.Newf(fault.NotFound, "webhook-not-found", "%s has no webhook %s.", organizationID, missing[0])
	}
	return err
}
