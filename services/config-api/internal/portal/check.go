package portal

import (
	"net/http"

	"github.com/dialnote/webhooks/services/config-api/internal/portal/render"
	"github.com/dialnote/webhooks/services/config-api/internal/portal/view"
)

// checkForm answers GET /portal/webhooks/{id}/check.
func (p *Portal) checkForm(v *request) error { return p.checkPage(v, view.CheckPage{}) }

// checkSignature answers POST /portal/webhooks/{id}/check.
func (p *Portal) checkSignature(v *request) error {
	page := view.CheckPage{Headers: v.r.PostFormValue("headers"), Body: v.r.PostFormValue("body")}
	received := view.ReadReceived(page.Headers, page.Body)
	if received.DialNote == "" && received.Standard.Signature == "" {
		page.Problem = "There is no signature among these headers. Paste X-DialNote-Signature or webhook-signature, with its value."
		return p.checkPage(v, page)
	}
	findings, sent, err := p.Service.CheckSignature(v.r.Context(), v.org, v.r.PathValue("id"), received)
	if err != nil {
		return err
	}
	page.Findings = view.FindingsOf(findings, received.Body, sent)
	return p.checkPage(v, page)
}

func (p *Portal) checkPage(v *request, page view.CheckPage) error {
	card, _, err := p.cardOf(v)
	if err != nil {
		return err
	}
	page.Head = view.HeadOf(card, "/check")
	return p.page(v, http.StatusOK, render.Frame{Title: card.Name, Tab: "webhooks"}, "check", page)
}
