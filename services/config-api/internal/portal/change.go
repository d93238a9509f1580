package portal

import (
	"net/http"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/services/config-api/internal/portal/render"
	"github.com/dialnote/webhooks/services/config-api/internal/portal/view"
)

// ask shows a question about a webhook.
func (p *Portal) ask(req *request, status int, title, template, problem string) error {
	card, w, err := p.cardOf(req)
	if err != nil {
		return err
	}
	question := view.Ask{Card: card, Version: w.Version, Problem: problem, Held: card.Held.Any}
	return p.page(req, status, render.Frame{Title: title, Tab: "webhooks"}, template, question)
}

// again shows the question again with the error; it returns errors of other kinds.
func (p *Portal) again(req *request, title, template string, err error) error {
	f := fault.Of(err)
	if f.Kind == fault.Conflict || f.Kind == fault.Stale || f.Kind == fault.Invalid {
		return p.ask(req, p.StatusOf(f.Kind), title, template, f.Detail)
	}
	return err
}

// askDelete answers GET /portal/webhooks/{id}/delete.
func (p *Portal) askDelete(req *request) error {
	return p.ask(req, http.StatusOK, "Delete", "delete", "")
}

// remove answers POST /portal/webhooks/{id}/delete.
func (p *Portal) remove(req *request) error {
	err := p.Service.Delete(req.r.Context(), req.actor, req.org, req.r.PathValue("id"), versions(req.r))
	if fault.Is(err, fault.Stale) {
		err = fault.New(fault.Stale, "stale-version", "This webhook was changed meanwhile. Look at it again before you delete it.")
	}
	if err != nil {
		return p.again(req, "Delete", "delete", err)
	}
	return goOn(req, "/portal/", webhookDeleted)
}

// askEnable answers GET /portal/webhooks/{id}/enable.
func (p *Portal) askEnable(req *request) error {
	return p.ask(req, http.StatusOK, "Enable", "enable", "")
}

// enable answers POST /portal/webhooks/{id}/enable.
func (p *Portal) enable(req *request) error {
	discard := req.r.FormValue("heldEvents") == "discard"
	if _, err := p.Service.Enable(req.r.Context(), req.actor, req.org, req.r.PathValue("id"), discard); err != nil {
		return p.again(req, "Enable", "enable", err)
	}
	if discard {
		return goOn(req, "/portal/", webhookEnabledNew)
	}
	return goOn(req, "/portal/", webhookEnabled)
}
