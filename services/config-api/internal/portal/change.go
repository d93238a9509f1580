package portal

import (
	"net/http"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/services/config-api/internal/portal/render"
	"github.com/dialnote/webhooks/services/config-api/internal/portal/view"
)

// ask shows a question about a webhook.
func (p *Portal) ask(v *request, status int, title, template, problem string) error {
	card, w, err := p.cardOf(v)
	if err != nil {
		return err
	}
	question := view.Ask{Card: card, Version: w.Version, Problem: problem, Held: card.Held.Any}
	return p.page(v, status, render.Frame{Title: title, Tab: "webhooks"}, template, question)
}

// again shows the question again with the error; it returns errors of other kinds.
func (p *Portal) again(v *request, title, template string, err error) error {
	f := fault.Of(err)
	if f.Kind == fault.Conflict || f.Kind == fault.Stale || f.Kind == fault.Invalid {
		return p.ask(v, p.StatusOf(f.Kind), title, template, f.Detail)
	}
	return err
}

// askDelete answers GET /portal/webhooks/{id}/delete.
func (p *Portal) askDelete(v *request) error { return p.ask(v, http.StatusOK, "Delete", "delete", "") }

// remove answers POST /portal/webhooks/{id}/delete.
func (p *Portal) remove(v *request) error {
	err := p.Service.Delete(v.r.Context(), v.actor, v.org, v.r.PathValue("id"), versions(v.r))
	if fault.Is(err, fault.Stale) {
		err = fault.New(fault.Stale, "stale-version", "Somebody changed this webhook meanwhile. Look at it again before you delete it.")
	}
	if err != nil {
		return p.again(v, "Delete", "delete", err)
	}
	return goOn(v, "/portal/", webhookDeleted)
}

// askEnable answers GET /portal/webhooks/{id}/enable.
func (p *Portal) askEnable(v *request) error { return p.ask(v, http.StatusOK, "Enable", "enable", "") }

// enable answers POST /portal/webhooks/{id}/enable.
func (p *Portal) enable(v *request) error {
	discard := v.r.FormValue("heldEvents") == "discard"
	if _, err := p.Service.Enable(v.r.Context(), v.actor, v.org, v.r.PathValue("id"), discard); err != nil {
		return p.again(v, "Enable", "enable", err)
	}
	if discard {
		return goOn(v, "/portal/", webhookEnabledNew)
	}
	return goOn(v, "/portal/", webhookEnabled)
}
