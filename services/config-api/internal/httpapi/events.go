package httpapi

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/dialnote/webhooks/services/config-api/internal/api"
)

// PublishEvent answers POST /v1/organizations/{org}/events. The body is checked
// by the event's own rules and not by its schema: what is signed later must
// come from these bytes.
func (s *server) PublishEvent(c echo.Context, org api.Org, p api.PublishEventParams) error {
	text, err := readBody(c)
	if err != nil {
		return err
	}
	return s.once(c, p.IdempotencyKey, text, func(ctx context.Context) (answer, error) {
		id, err := s.Service.Publish(ctx, org, text)
		if err != nil {
			return answer{}, err
		}
		return jsonAnswer(http.StatusAccepted, api.EventAccepted{ID: id})
	})
}
