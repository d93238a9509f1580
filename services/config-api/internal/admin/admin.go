// Package admin implements the operator's commands. It calls the functions that
// the API and the page call, for many webhooks at once.
package admin

import (
	"context"
	"fmt"

	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/config-api/internal/manage"
)

// Operator runs the commands. Its fields do not change once it is in use.
type Operator struct {
	By            audit.Actor // the operator, for the audit log
	Manage        *manage.Service
	Organizations store.Operators
	Rejected      *stream.Conn
}

// page is how much is read at once.
const page = 200

// each calls do for every webhook of a selection until it returns an error. It calls
// unreadable for a webhook that cannot be read although the database can, as when it
// was encrypted with a key that is gone, and goes on with the others.
func (o *Operator) each(ctx context.Context, of store.Selection, do func(webhook.Webhook) error, unreadable func(w webhook.Webhook, why string) error) error {
	for after := (store.Ref{}); ; {
		list, err := o.Organizations.Refs(ctx, of, after, page)
		if err != nil {
			return fmt.Errorf("list webhooks: %w", err)
		}
		for _, ref := range list {
			w, err := o.Manage.Webhooks.Get(ctx, ref.OrganizationID, ref.ID)
			switch {
			case fault.Is(err, fault.NotFound):
				err = nil // deleted just now
			case err != nil && fault.Is(err, fault.Internal) && ctx.Err() == nil:
				err = unreadable(webhook.Webhook{ID: ref.ID, OrganizationID: ref.OrganizationID}, "It cannot be read: "+err.Error()+".")
			case err != nil:
				err = fmt.Errorf("read webhook %s: %w", ref.ID, err)
			default:
				err = do(w)
			}
			if err != nil {
				return err
			}
			after = ref
		}
		if len(list) < page {
			return nil
		}
	}
}
