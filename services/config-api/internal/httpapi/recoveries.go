package httpapi

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/services/config-api/internal/api"
	"github.com/dialnote/webhooks/services/config-api/internal/manage"
)

// Redeliver answers POST /v1/organizations/{org}/webhooks/{id}/deliveries/{deliveryId}/redeliver.
func (s *server) Redeliver(c echo.Context, org api.Org, id api.WebhookID, deliveryID api.DeliveryID) error {
	if err := s.Service.Redeliver(c.Request().Context(), actor(c), org, id, deliveryID); err != nil {
		return err
	}
	return writeJSON(c, http.StatusAccepted, api.Redelivery{DeliveryID: deliveryID})
}

// CreateRecovery answers POST /v1/organizations/{org}/webhooks/{id}/recoveries.
func (s *server) CreateRecovery(c echo.Context, org api.Org, id api.WebhookID, p api.CreateRecoveryParams) error {
	text, err := readBody(c)
	if err != nil {
		return err
	}
	return s.once(c, p.IdempotencyKey, text, func(ctx context.Context) (answer, error) {
		var body api.RecoveryCreate
		wrong, err := decodeText(c, text, &body)
		if err != nil {
			return answer{}, err
		}
		r, err := s.Service.Recover(ctx, actor(c), org, id, manage.RecoveryDraft{
			Since: body.Since, Until: body.Until, DryRun: body.DryRun != nil && *body.DryRun,
		}, wrong)
		if err != nil {
			return answer{}, err
		}
		a, err := jsonAnswer(http.StatusAccepted, presentRecovery(r))
		a.header[echo.HeaderLocation] = "/v1/organizations/" + org + "/webhooks/" + id + "/recoveries/" + r.ID
		return a, err
	})
}

// GetRecovery answers GET /v1/organizations/{org}/webhooks/{id}/recoveries/{rid}.
func (s *server) GetRecovery(c echo.Context, org api.Org, id api.WebhookID, rid api.RecoveryID) error {
	r, err := s.Service.Recovery(c.Request().Context(), org, id, rid)
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, presentRecovery(r))
}

// CancelRecovery answers DELETE /v1/organizations/{org}/webhooks/{id}/recoveries/{rid}.
func (s *server) CancelRecovery(c echo.Context, org api.Org, id api.WebhookID, rid api.RecoveryID) error {
	if err := s.Service.CancelRecovery(c.Request().Context(), actor(c), org, id, rid); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent) //nolint:wrapcheck // nothing is written
}

func presentRecovery(r delivery.Recovery) api.Recovery {
	p := api.Recovery{
		ID: r.ID, WebhookID: r.WebhookID, Since: r.Since, Until: r.Until, DryRun: r.DryRun,
		Status: api.RecoveryStatus(r.Status), Total: r.Total, Examined: r.Examined, Queued: r.Queued,
		CreatedAt: r.CreatedAt, EndedAt: presentTime(r.EndedAt),
	}
	if r.Message != "" {
		p.Message = &r.Message
	}
	return p
}
