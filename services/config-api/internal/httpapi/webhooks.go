package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/config-api/internal/api"
	"github.com/dialnote/webhooks/services/config-api/internal/manage"
)

// defaultLimit is how many entries a page has when the caller does not say.
const defaultLimit = 50

// ListWebhooks answers GET /v1/organizations/{org}/webhooks.
func (s *server) ListWebhooks(c echo.Context, org api.Org, p api.ListWebhooksParams) error {
	page, err := pageOf(p.Limit, p.Cursor)
	if err != nil {
		return err
	}
	views, next, err := s.Service.List(c.Request().Context(), org, page)
	if err != nil {
		return listError(err)
	}
	return writePage(c, next, views, present)
}

// CreateWebhook answers POST /v1/organizations/{org}/webhooks.
func (s *server) CreateWebhook(c echo.Context, org api.Org, p api.CreateWebhookParams) error {
	text, err := readBody(c)
	if err != nil {
		return err
	}
	return s.once(c, p.IdempotencyKey, text, func(ctx context.Context) (answer, error) {
		var body api.WebhookCreate
		wrong, err := decodeText(c, text, &body)
		if err != nil {
			return answer{}, err
		}
		v, err := s.Service.Create(ctx, actor(c), org, webhook.Draft{
			Name:     body.Name,
			Provider: webhook.Provider(body.Provider),
			URL:      body.URL,
			Event:    webhook.Setting(body.Event),
			Headers:  readHeaders(body.Headers),
		}, body.Ordered != nil && *body.Ordered, wrong)
		if err != nil {
			return answer{}, err
		}
		a, err := jsonAnswer(http.StatusCreated, created{Webhook: present(v), Secret: v.Secret.Reveal()})
		a.header[echo.HeaderLocation] = "/v1/organizations/" + org + "/webhooks/" + v.ID
		a.header["ETag"] = etag(v.Version)
		a.about = v.ID
		return a, err
	})
}

// GetWebhook answers GET /v1/organizations/{org}/webhooks/{id}.
func (s *server) GetWebhook(c echo.Context, org api.Org, id api.WebhookID) error {
	v, err := s.Service.Get(c.Request().Context(), org, id)
	return writeWebhook(c, v, err)
}

// UpdateWebhook answers PATCH /v1/organizations/{org}/webhooks/{id}.
func (s *server) UpdateWebhook(c echo.Context, org api.Org, id api.WebhookID, p api.UpdateWebhookParams) error {
	versions, err := ifMatch(p.IfMatch)
	if err != nil {
		return err
	}
	var body api.WebhookUpdate
	wrong, err := decode(c, &body)
	if err != nil {
		return err
	}
	change := webhook.Change{
		Name: body.Name, URL: body.URL, Event: (*webhook.Setting)(body.Event), Headers: readHeaderChanges(body.Headers),
	}
	v, err := s.Service.Change(c.Request().Context(), actor(c), org, id, versions, change, wrong)
	return writeWebhook(c, v, err)
}

// DeleteWebhook answers DELETE /v1/organizations/{org}/webhooks/{id}.
func (s *server) DeleteWebhook(c echo.Context, org api.Org, id api.WebhookID, p api.DeleteWebhookParams) error {
	versions, err := ifMatch(p.IfMatch)
	if err != nil {
		return err
	}
	if err := s.Service.Delete(c.Request().Context(), actor(c), org, id, versions); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent) //nolint:wrapcheck // nothing is written
}

// GetWebhookSecret answers GET /v1/organizations/{org}/webhooks/{id}/secret.
func (s *server) GetWebhookSecret(c echo.Context, org api.Org, id api.WebhookID) error {
	secret, err := s.Service.Secret(c.Request().Context(), actor(c), org, id)
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, api.WebhookSecret{Secret: secret.Reveal()})
}

// EnableWebhook answers POST /v1/organizations/{org}/webhooks/{id}/enable.
func (s *server) EnableWebhook(c echo.Context, org api.Org, id api.WebhookID) error {
	var body api.WebhookEnable
	wrong, err := decode(c, &body)
	if err != nil {
		return err
	}
	if len(wrong) > 0 {
		return fault.InvalidFields(wrong...)
	}
	discard := body.HeldEvents != nil && *body.HeldEvents == api.WebhookEnableHeldEventsDiscard
	v, err := s.Service.Enable(c.Request().Context(), actor(c), org, id, discard)
	return writeWebhook(c, v, err)
}

func writeWebhook(c echo.Context, v manage.View, err error) error {
	if err != nil {
		return err
	}
	c.Response().Header().Set("ETag", etag(v.Version))
	return writeJSON(c, http.StatusOK, present(v))
}

func writeJSON(c echo.Context, status int, v any) error {
	a, err := jsonAnswer(status, v)
	if err != nil {
		return err
	}
	return a.write(c)
}

// answer is a whole answer, so that it can be kept and given again.
type answer struct {
	status int
	header map[string]string
	body   []byte
	about  string // the webhook or API key whose secret the body holds, "" for none
}

func jsonAnswer(status int, v any) (answer, error) {
	a := answer{status: status, header: map[string]string{echo.HeaderContentType: echo.MIMEApplicationJSON}}
	var err error
	if a.body, err = json.Marshal(v); err != nil {
		return a, fmt.Errorf("write answer: %w", err)
	}
	return a, nil
}

func (a answer) write(c echo.Context) error {
	for name, value := range a.header {
		c.Response().Header().Set(name, value)
	}
	c.Response().WriteHeader(a.status)
	if _, err := c.Response().Write(a.body); err != nil && !errors.Is(err, http.ErrBodyNotAllowed) {
		return fmt.Errorf("write answer: %w", err)
	}
	return nil
}
