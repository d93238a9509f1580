package httpapi

import (
	"bytes"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/services/config-api/internal/api"
	"github.com/dialnote/webhooks/services/config-api/internal/manage"
)

// organization returns the only organization that the caller may reach, for a path
// that names none.
func organization(c echo.Context) string { return requestOf(c).caller.OrganizationID }

// GetZapierAccount answers GET /v1/zapier/me.
func (s *server) GetZapierAccount(c echo.Context) error {
	return writeJSON(c, http.StatusOK, api.ZapierAccount{OrganizationID: organization(c)})
}

// SubscribeZapierHook answers POST /v1/zapier/hooks.
func (s *server) SubscribeZapierHook(c echo.Context) error {
	var body api.ZapierHookCreate
	wrong, err := decode(c, &body)
	if err != nil {
		return err
	}
	w, err := s.Service.Subscribe(c.Request().Context(), actor(c), organization(c), manage.Subscription{
		TargetURL: body.TargetURL, Event: event.Type(body.Event), Name: valueOf(body.Name),
	}, wrong)
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusCreated, api.ZapierHook{ID: w.ID, Secret: w.Secret.Reveal()})
}

// UnsubscribeZapierHook answers DELETE /v1/zapier/hooks/{id}.
func (s *server) UnsubscribeZapierHook(c echo.Context, id string) error {
	if err := s.Service.Unsubscribe(c.Request().Context(), actor(c), organization(c), id); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent) //nolint:wrapcheck // nothing is written
}

// ListZapierSamples answers GET /v1/zapier/samples/{event}, with the events'
// own bytes.
func (s *server) ListZapierSamples(c echo.Context, t api.EventType) error {
	samples := s.Service.Samples(c.Request().Context(), organization(c), event.Type(t))
	a := answer{status: http.StatusOK, header: map[string]string{echo.HeaderContentType: echo.MIMEApplicationJSON}}
	a.body = append(append([]byte("["), bytes.Join(samples, []byte(","))...), ']')
	return a.write(c)
}
