package manage

import (
	"context"
	"fmt"

	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/store"
)

// AuditLog returns a page of an organization's audit log, newest first, and the
// cursor of the next page, "" at the end.
func (s *Service) AuditLog(ctx context.Context, organizationID string, filter audit.Filter, page store.Page) ([]audit.Entry, string, error) {
	entries, next, err := s.Audit.ListEntries(ctx, organizationID, filter, page)
	if err != nil {
		return nil, "", fmt.Errorf("list the audit log: %w", err)
	}
	return entries, next, nil
}

// note writes an entry of an action outside the store, which no transaction can
// include. It is written first, and the action is not taken when that fails.
func (s *Service) note(ctx context.Context, e audit.Entry) error {
	if err := s.Audit.AddEntry(ctx, e); err != nil {
		return fmt.Errorf("note %s: %w", e.Action, err)
	}
	return nil
}
