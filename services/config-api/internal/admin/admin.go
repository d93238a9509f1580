// Package admin implements the operator's commands. It calls the functions that
// the API and the page call, for many webhooks at once.
package admin

import (
	"context"
	"fmt"

	"github.com/dialnote/webhooks/pkg/audit"
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

// each calls do for every webhook of an organization, or of all for "", until
// it returns an error.
func (o *Operator) each(ctx context.Context, organizationID string, do func(webhook.Webhook) error) error {
	list := []string{organizationID}
	for after := ""; ; {
		if organizationID == "" {
			var err error
			if list, err = o.Organizations.Organizations(ctx, after, page); err != nil {
				return fmt.Errorf("list organizations: %w", err)
			}
		}
		for _, id := range list {
			ws, err := o.Manage.Webhooks.All(ctx, id)
			if err != nil {
				return fmt.Errorf("read webhooks of %s: %w", id, err)
			}
			for _, w := range ws {
				if err := do(w); err != nil {
					return err
				}
			}
			after = id
		}
		if organizationID != "" || len(list) < page {
			return nil
		}
	}
}
