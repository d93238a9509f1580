package app

import (
	"context"

	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/outbox"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// waking is a store that wakes the outbox after each call that may have written a
// notice.
type waking struct {
	Store
	outbox *outbox.Outbox
}

// Update is store.Webhooks' Update.
func (w waking) Update(ctx context.Context, by audit.Actor, organizationID, id string, version int64,
	change func(webhook.Webhook) (webhook.Webhook, error),
) (webhook.Webhook, error) {
	defer w.outbox.Wake()
	return w.Store.Update(ctx, by, organizationID, id, version, change)
}

// Delete is store.Webhooks' Delete.
func (w waking) Delete(ctx context.Context, by audit.Actor, organizationID, id string, version int64) (webhook.Webhook, error) {
	defer w.outbox.Wake()
	return w.Store.Delete(ctx, by, organizationID, id, version)
}
