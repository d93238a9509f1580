package portal

import (
	"net/http"
	"time"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/services/config-api/internal/manage"
	"github.com/dialnote/webhooks/services/config-api/internal/portal/render"
	"github.com/dialnote/webhooks/services/config-api/internal/portal/view"
)

// shownRecoveries is how many earlier recoveries are listed.
const shownRecoveries = 10

// recoverForm answers GET /portal/webhooks/{id}/recover.
func (p *Portal) recoverForm(req *request) error {
	return p.recoverPage(req, http.StatusOK, view.RecoverPage{})
}

func (p *Portal) recoverPage(req *request, status int, page view.RecoverPage) error {
	card, w, err := p.cardOf(req)
	if err != nil {
		return err
	}
	page.Head, page.Zone = view.HeadOf(card, "/recover"), req.clock.Zone.String()
	chosen := req.r.FormValue("within")
	if chosen == "" {
		chosen = "24h"
	}
	for _, within := range view.Withins() {
		page.Withins = append(page.Withins, view.Choice{Value: within.Value, Label: within.Label, Chosen: within.Value == chosen})
	}
	last, err := p.Service.LastRecoveries(req.r.Context(), req.org, w.ID, shownRecoveries)
	if err != nil {
		return err
	}
	for _, r := range last {
		page.Earlier = append(page.Earlier, view.RecoveryOf(r, req.clock))
	}
	return p.page(req, status, render.Frame{Title: card.Name, Tab: "webhooks"}, "recover", page)
}

// recover answers POST /portal/webhooks/{id}/recover: it begins a preview, or the
// recovery that a preview has shown.
func (p *Portal) recover(req *request) error {
	d, page := p.recoveryDraft(req)
	if page.Since.Error != "" || page.Until.Error != "" {
		return p.recoverPage(req, http.StatusUnprocessableEntity, page)
	}
	id := req.r.PathValue("id")
	r, err := p.Service.Recover(req.r.Context(), req.actor, req.org, id, d, nil)
	if f := fault.Of(err); err != nil && (f.Kind == fault.Invalid || f.Kind == fault.Conflict) {
		if len(f.Fields) == 1 && f.Fields[0].Pointer == "/since" {
			page.Since.Error = "The start must be before the end, and in the past."
		} else {
			page.Problem = view.Sentence(f.Detail)
		}
		return p.recoverPage(req, p.StatusOf(f.Kind), page)
	}
	if err != nil {
		return err
	}
	return goOn(req, "/portal/webhooks/"+id+"/recoveries/"+r.ID, "")
}

// recoveryDraft reads the form: exact times when there are any, else a range
// that ends now.
func (p *Portal) recoveryDraft(req *request) (manage.RecoveryDraft, view.RecoverPage) {
	page := view.RecoverPage{Since: view.Input{Value: req.r.FormValue("since")}, Until: view.Input{Value: req.r.FormValue("until")}}
	d := manage.RecoveryDraft{DryRun: req.r.FormValue("dryRun") != "", Since: req.clock.Now.Add(-24 * time.Hour)}
	for _, within := range view.Withins() {
		if within.Value == req.r.FormValue("within") {
			d.Since = req.clock.Now.Add(-within.Back)
		}
	}
	const form = "Write the time like 2026-11-23T10:30."
	if since, err := req.clock.ReadTime(page.Since.Value); err != nil {
		page.Since.Error = form
	} else if !since.IsZero() {
		d.Since = since
	}
	if until, err := req.clock.ReadTime(page.Until.Value); err != nil {
		page.Until.Error = form
	} else if !until.IsZero() {
		d.Until = &until
	}
	return d, page
}

// recovery answers GET /portal/webhooks/{id}/recoveries/{recovery}.
func (p *Portal) recovery(req *request) error {
	card, w, err := p.cardOf(req)
	if err != nil {
		return err
	}
	r, err := p.Service.Recovery(req.r.Context(), req.org, w.ID, req.r.PathValue("recovery"))
	if err != nil {
		return err
	}
	frame := render.Frame{Title: card.Name, Tab: "webhooks"}
	shown := view.RecoveryOf(r, req.clock)
	if shown.Running {
		frame.Refresh = 5
	}
	return p.page(req, http.StatusOK, frame, "recovery", view.RecoveryPage{Head: view.HeadOf(card, "/recover"), Recovery: shown})
}

// cancelRecovery answers POST …/recoveries/{recovery}/cancel.
func (p *Portal) cancelRecovery(req *request) error {
	id, recovery := req.r.PathValue("id"), req.r.PathValue("recovery")
	if err := p.Service.CancelRecovery(req.r.Context(), req.actor, req.org, id, recovery); err != nil {
		return err
	}
	return goOn(req, "/portal/webhooks/"+id+"/recoveries/"+recovery, recoveryCancelled)
}
