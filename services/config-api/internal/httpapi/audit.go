package httpapi

import (
	"encoding/json"

	"github.com/labstack/echo/v4"

	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/services/config-api/internal/api"
)

// ListAuditLog answers GET /v1/organizations/{org}/audit-log.
func (s *server) ListAuditLog(c echo.Context, org api.Org, p api.ListAuditLogParams) error {
	page, err := pageOf(p.Limit, p.Cursor)
	if err != nil {
		return err
	}
	entries, next, err := s.Service.AuditLog(c.Request().Context(), org, audit.Filter{
		Action:    audit.Action(valueOf(p.Action)),
		ActorKind: audit.Kind(valueOf(p.ActorKind)),
		Actor:     valueOf(p.Actor),
		TargetID:  valueOf(p.TargetID),
		WebhookID: valueOf(p.WebhookID),
		Since:     moment(p.Since),
		Until:     moment(p.Until),
	}, page)
	if err != nil {
		return listError(err)
	}
	return writePage(c, next, entries, presentAuditEntry)
}

// auditEntry is an entry as the API shows it. What was before and after is kept as
// JSON objects.
type auditEntry struct {
	api.AuditEntry
	Before json.RawMessage `json:"before"`
	After  json.RawMessage `json:"after"`
}

func presentAuditEntry(e audit.Entry) auditEntry {
	return auditEntry{Before: e.Before, After: e.After, AuditEntry: api.AuditEntry{
		ID:     e.ID,
		At:     e.At.UTC(),
		Action: api.AuditAction(e.Action),
		Actor: api.AuditActor{
			Kind: api.AuditActorKind(e.Actor.Kind), Name: unlessEmpty(e.Actor.Name), KeyID: unlessEmpty(e.Actor.KeyID), Via: unlessEmpty(e.Actor.Via),
		},
		Target:    api.AuditTarget{Kind: api.AuditTargetKind(e.Target.Kind), ID: unlessEmpty(e.Target.ID)},
		WebhookID: unlessEmpty(e.Target.WebhookID),
	}}
}

// unlessEmpty returns a pointer to s, nil for the empty string.
func unlessEmpty(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
