package portal

import (
	"net/http"

	"github.com/dialnote/webhooks/services/config-api/internal/portal/render"
	"github.com/dialnote/webhooks/services/config-api/internal/portal/view"
)

// secret answers GET /portal/webhooks/{id}/secret: the code that verifies, and
// right after the webhook was made the secret too.
func (p *Portal) secret(req *request) error {
	return p.secretPage(req, req.flash == webhookCreated, req.flash == webhookCreated)
}

// showSecret answers POST /portal/webhooks/{id}/secret. The audit log says who saw
// the secret.
func (p *Portal) showSecret(req *request) error { return p.secretPage(req, true, false) }

func (p *Portal) secretPage(req *request, show, created bool) error {
	card, _, err := p.cardOf(req)
	if err != nil {
		return err
	}
	page := view.SecretPage{Head: view.HeadOf(card, "/secret"), New: created, Languages: p.languages}
	if show {
		secret, err := p.Service.Secret(req.r.Context(), req.actor, req.org, card.ID)
		if err != nil {
			return err
		}
		page.Secret = secret.Reveal()
	}
	return p.page(req, http.StatusOK, render.Frame{Title: card.Name, Tab: "webhooks"}, "secret", page)
}
