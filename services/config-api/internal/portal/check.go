package portal

import (
	"net/http"

	"github.com/dialnote/webhooks/services/config-api/internal/portal/render"
	"github.com/dialnote/webhooks/services/config-api/internal/portal/view"
)

// checkForm answers GET /portal/webhooks/{id}/check.
func (p *Portal) checkForm(req *request) error { return p.checkPage(req, view.CheckPage{}) }

// checkSignature answers POST /portal/webhooks/{id}/check.
func (p *Portal) checkSignature(req *request) error {
	page := view.CheckPage{Headers: req.r.PostFormValue("headers"), Body: req.r.PostFormValue("body")}
	received := view.ReadReceived(page.Headers, page.Body)
	if received.DialNote == "" && received.Standard.Signature == "" {
		page.Problem = "There is no signature among these headers. Paste X-DialNote-Signature or webhook-signature, with its value."
		return p.checkPage(req, page)
	}
	findings, sent, err := p.Service.CheckSignature(req.r.Context(), req.org, req.r.PathValue("id"), received)
	if err != nil {
		return err
	}
	page.Findings = view.FindingsOf(findings, received.Body, sent)
	return p.checkPage(req, page)
}

func (p *Portal) checkPage(req *request, page view.CheckPage) error {
	card, _, err := p.cardOf(req)
	if err != nil {
		return err
	}
	page.Head = view.HeadOf(card, "/check")
	return p.page(req, http.StatusOK, render.Frame{Title: card.Name, Tab: "webhooks"}, "check", page)
}
