package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"

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
	answer := api.AuditPage{Data: make([]api.AuditEntry, 0, len(entries)), NextCursor: encodeCursor(next)}
	for _, e := range entries {
		shown, err := presentAuditEntry(e)
		if err != nil {
			return err
		}
		answer.Data = append(answer.Data, shown)
	}
	return writeJSON(c, http.StatusOK, answer)
}

func presentAuditEntry(e audit.Entry) (api.AuditEntry, error) {
	before, err := presentFacts(e.Before)
	if err != nil {
		return api.AuditEntry{}, err
	}
	after, err := presentFacts(e.After)
	if err != nil {
		return api.AuditEntry{}, err
	}
	return api.AuditEntry{
		ID:     e.ID,
		At:     e.At.UTC(),
		Action: api.AuditAction(e.Action),
		Actor: api.AuditActor{
			Kind: api.AuditActorKind(e.Actor.Kind), Name: unlessEmpty(e.Actor.Name), KeyID: unlessEmpty(e.Actor.KeyID), Via: unlessEmpty(e.Actor.Via),
		},
		Target:    api.AuditTarget{Kind: api.AuditTargetKind(e.Target.Kind), ID: unlessEmpty(e.Target.ID)},
		WebhookID: unlessEmpty(e.Target.WebhookID),
		Before:    before,
		After:     after,
	}, nil
}

func presentFacts(text json.RawMessage) (*map[string]any, error) {
	if text == nil {
		return nil, nil //nolint:nilnil // null where nothing changed
	}
	var facts map[string]any
	if err := json.Unmarshal(text, &facts); err != nil {
		return nil, fmt.Errorf("read an audit entry: %w", err)
	}
	return &facts, nil
}

// unlessEmpty returns a pointer to s, nil for the empty string.
func unlessEmpty(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
