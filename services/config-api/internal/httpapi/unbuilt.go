package httpapi

import (
	"github.com/labstack/echo/v4"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/services/config-api/internal/api"
)

// unbuilt are the operations that the document promises and that are not built
// yet: the one list of them. To build one, delete it here, write it on server,
// and take its 501 out of the document.
type unbuilt struct{}

func notBuilt() error {
	return fault.New(fault.NotImplemented, "not-implemented", "This operation is not available yet.")
}

// ListAPIKeys answers GET /v1/organizations/{org}/api-keys.
func (unbuilt) ListAPIKeys(echo.Context, api.Org, api.ListAPIKeysParams) error {
	return notBuilt()
}

// CreateAPIKey answers POST /v1/organizations/{org}/api-keys.
func (unbuilt) CreateAPIKey(echo.Context, api.Org, api.CreateAPIKeyParams) error {
	return notBuilt()
}

// RevokeAPIKey answers DELETE /v1/organizations/{org}/api-keys/{keyId}.
func (unbuilt) RevokeAPIKey(echo.Context, api.Org, api.KeyID) error {
	return notBuilt()
}

// ListAuditLog answers GET /v1/organizations/{org}/audit-log.
func (unbuilt) ListAuditLog(echo.Context, api.Org, api.ListAuditLogParams) error {
	return notBuilt()
}

// CreatePortalLink answers POST /v1/organizations/{org}/portal-links.
func (unbuilt) CreatePortalLink(echo.Context, api.Org) error {
	return notBuilt()
}

// GetZapierKey answers GET /v1/organizations/{org}/zapier-key.
func (unbuilt) GetZapierKey(echo.Context, api.Org) error {
	return notBuilt()
}

// RotateZapierKey answers POST /v1/organizations/{org}/zapier-key/rotate.
func (unbuilt) RotateZapierKey(echo.Context, api.Org) error {
	return notBuilt()
}

// SubscribeZapierHook answers POST /v1/zapier/hooks.
func (unbuilt) SubscribeZapierHook(echo.Context) error {
	return notBuilt()
}

// UnsubscribeZapierHook answers DELETE /v1/zapier/hooks/{id}.
func (unbuilt) UnsubscribeZapierHook(echo.Context, string) error {
	return notBuilt()
}

// GetZapierAccount answers GET /v1/zapier/me.
func (unbuilt) GetZapierAccount(echo.Context) error {
	return notBuilt()
}

// ListZapierSamples answers GET /v1/zapier/samples/{event}.
func (unbuilt) ListZapierSamples(echo.Context, api.EventType) error {
	return notBuilt()
}
