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
func (p *Portal) recoverForm(v *request) error {
	return p.recoverPage(v, http.StatusOK, view.RecoverPage{})
}

func (p *Portal) recoverPage(v *request, status int, page view.RecoverPage) error {
	card, w, err := p.cardOf(v)
	if err != nil {
		return err
	}
	page.Head, page.Zone = view.HeadOf(card, "/recover"), v.clock.Zone.String()
	chosen := v.r.FormValue("within")
	if chosen == "" {
		chosen = "24h"
	}
	for _, within := range view.Withins() {
		page.Withins = append(page.Withins, view.Choice{Value: within.Value, Label: within.Label, Chosen: within.Value == chosen})
	}
	last, err := p.Service.LastRecoveries(v.r.Context(), v.org, w.ID, shownRecoveries)
	if err != nil {
		return err
	}
	for _, r := range last {
		page.Earlier = append(page.Earlier, view.RecoveryOf(r, v.clock))
	}
	return p.page(v, status, render.Frame{Title: card.Name, Tab: "webhooks"}, "recover", page)
}

// recover answers POST /portal/webhooks/{id}/recover: it begins a preview, or the
// recovery that a preview has shown.
func (p *Portal) recover(v *request) error {
	d, page := p.recoveryDraft(v)
	if page.Since.Error != "" || page.Until.Error != "" {
		return p.recoverPage(v, http.StatusUnprocessableEntity, page)
	}
	id := v.r.PathValue("id")
	r, err := p.Service.Recover(v.r.Context(), v.actor, v.org, id, d, nil)
	if f := fault.Of(err); err != nil && (f.Kind == fault.Invalid || f.Kind == fault.Conflict) {
		if len(f.Fields) == 1 && f.Fields[0].Pointer == "/since" {
			page.Since.Error = "The start must be before the end, and in the past."
		} else {
			page.Problem = view.Sentence(f.Detail)
		}
		return p.recoverPage(v, p.StatusOf(f.Kind), page)
	}
	if err != nil {
		return err
	}
	return goOn(v, "/portal/webhooks/"+id+"/recoveries/"+r.ID, "")
}

// recoveryDraft reads the form: exact times when there are any, else a range
// that ends now.
func (p *Portal) recoveryDraft(v *request) (manage.RecoveryDraft, view.RecoverPage) {
	page := view.RecoverPage{Since: view.Input{Value: v.r.FormValue("since")}, Until: view.Input{Value: v.r.FormValue("until")}}
	d := manage.RecoveryDraft{DryRun: v.r.FormValue("dryRun") != "", Since: v.clock.Now.Add(-24 * time.Hour)}
	for _, within := range view.Withins() {
		if within.Value == v.r.FormValue("within") {
			d.Since = v.clock.Now.Add(-within.Back)
		}
	}
	const form = "Write the time like 2026-11-23T10:30."
	if since, err := v.clock.ReadTime(page.Since.Value); err != nil {
		page.Since.Error = form
	} else if !since.IsZero() {
		d.Since = since
	}
	if until, err := v.clock.ReadTime(page.Until.Value); err != nil {
		page.Until.Error = form
	} else if !until.IsZero() {
		d.Until = &until
	}
	return d, page
}

// recovery answers GET /portal/webhooks/{id}/recoveries/{recovery}.
func (p *Portal) recovery(v *request) error {
	card, w, err := p.cardOf(v)
	if err != nil {
		return err
	}
	r, err := p.Service.Recovery(v.r.Context(), v.org, w.ID, v.r.PathValue("recovery"))
	if err != nil {
		return err
	}
	frame := render.Frame{Title: card.Name, Tab: "webhooks"}
	shown := view.RecoveryOf(r, v.clock)
	if shown.Running {
		frame.Refresh = 5
	}
	return p.page(v, http.StatusOK, frame, "recovery", view.RecoveryPage{Head: view.HeadOf(card, "/recover"), Recovery: shown})
}

// cancelRecovery answers POST …/recoveries/{recovery}/cancel.
func (p *Portal) cancelRecovery(v *request) error {
	id, recovery := v.r.PathValue("id"), v.r.PathValue("recovery")
	if err := p.Service.CancelRecovery(v.r.Context(), v.actor, v.org, id, recovery); err != nil {
		return err
	}
	return goOn(v, "/portal/webhooks/"+id+"/recoveries/"+recovery, recoveryCancelled)
}
