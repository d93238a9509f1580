package httpapi

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/dialnote/webhooks/pkg/access"
	"github.com/dialnote/webhooks/services/config-api/internal/api"
)

// ListAPIKeys answers GET /v1/organizations/{org}/api-keys.
func (s *server) ListAPIKeys(c echo.Context, org api.Org, p api.ListAPIKeysParams) error {
	page, err := pageOf(p.Limit, p.Cursor)
	if err != nil {
		return err
	}
	keys, next, err := s.Service.APIKeys(c.Request().Context(), org, page)
	if err != nil {
		return listError(err)
	}
	answer := api.APIKeyPage{Data: make([]api.APIKey, 0, len(keys)), NextCursor: encodeCursor(next)}
	for _, k := range keys {
		answer.Data = append(answer.Data, presentKey(k))
	}
	return writeJSON(c, http.StatusOK, answer)
}

// CreateAPIKey answers POST /v1/organizations/{org}/api-keys.
func (s *server) CreateAPIKey(c echo.Context, org api.Org, p api.CreateAPIKeyParams) error {
	text, err := readBody(c)
	if err != nil {
		return err
	}
	return s.once(c, p.IdempotencyKey, text, func(ctx context.Context) (answer, error) {
		var body api.APIKeyCreate
		wrong, err := decodeText(c, text, &body)
		if err != nil {
			return answer{}, err
		}
		k, key, err := s.Service.CreateAPIKey(ctx, actor(c), org, body.Name, wrong)
		if err != nil {
			return answer{}, err
		}
		shown := presentKey(k)
		a, err := jsonAnswer(http.StatusCreated, api.APIKeyCreated{
			ID: shown.ID, Name: shown.Name, Scope: api.APIKeyCreatedScope(shown.Scope), LastCharacters: shown.LastCharacters,
			CreatedAt: shown.CreatedAt, LastUsedAt: shown.LastUsedAt, Key: key,
		})
		a.about = k.ID
		return a, err
	})
}

// RevokeAPIKey answers DELETE /v1/organizations/{org}/api-keys/{keyId}.
func (s *server) RevokeAPIKey(c echo.Context, org api.Org, id api.KeyID) error {
	if err := s.Service.RevokeAPIKey(c.Request().Context(), actor(c), org, id); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent) //nolint:wrapcheck // nothing is written
}

func presentKey(k access.Key) api.APIKey {
	return api.APIKey{
		ID: k.ID, Name: k.Name, Scope: api.APIKeyScopeManage, LastCharacters: k.LastCharacters,
		CreatedAt: k.CreatedAt.UTC(), LastUsedAt: presentTime(k.LastUsedAt),
	}
}

// GetZapierKey answers GET /v1/organizations/{org}/zapier-key.
func (s *server) GetZapierKey(c echo.Context, org api.Org) error {
	k, err := s.Service.ZapierKey(c.Request().Context(), actor(c), org)
	return writeZapierKey(c, k, err)
}

// RotateZapierKey answers POST /v1/organizations/{org}/zapier-key/rotate.
func (s *server) RotateZapierKey(c echo.Context, org api.Org) error {
	k, err := s.Service.RotateZapierKey(c.Request().Context(), actor(c), org)
	return writeZapierKey(c, k, err)
}

func writeZapierKey(c echo.Context, k access.ZapierKey, err error) error {
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, api.ZapierKey{Key: k.Key.Reveal(), CreatedAt: k.CreatedAt.UTC()})
}

// CreatePortalLink answers POST /v1/organizations/{org}/portal-links.
func (s *server) CreatePortalLink(c echo.Context, org api.Org) error {
	var body api.PortalLinkCreate
	wrong, err := decode(c, &body)
	if err != nil {
		return err
	}
	link, err := s.Service.CreatePortalLink(c.Request().Context(), actor(c), org, valueOf(body.Actor), wrong)
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusCreated, api.PortalLink{URL: link.URL, ExpiresAt: link.ExpiresAt.UTC()})
}
