package portal

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/config-api/internal/manage"
	"github.com/dialnote/webhooks/services/config-api/internal/portal/render"
	"github.com/dialnote/webhooks/services/config-api/internal/portal/view"
)

// newForm answers GET /portal/webhooks/new.
func (p *Portal) newForm(req *request) error {
	return p.form(req, http.StatusOK, view.NewForm())
}

func (p *Portal) form(req *request, status int, f view.Form) error {
	title := "Add Webhook"
	if f.ID != "" {
		title = "Edit"
	}
	return p.page(req, status, render.Frame{Title: title, Tab: "webhooks"}, "form", f)
}

// entered returns what a form holds.
func entered(r *http.Request) view.Entered {
	return view.Entered{
		Name: r.FormValue("name"), Provider: r.FormValue("provider"), URL: r.FormValue("url"), Event: r.FormValue("event"),
		Ordered: r.FormValue("ordered") != "", Headers: enteredHeaders(r),
	}
}

// enteredHeaders returns the headers of a form: rows of a name and a value, and
// the names of those to remove.
func enteredHeaders(r *http.Request) []view.EnteredHeader {
	removed := make(map[string]bool)
	for _, name := range r.Form["headerRemove"] {
		removed[name] = true
	}
	values := r.Form["headerValue"]
	var rows []view.EnteredHeader
	for i, name := range r.Form["headerName"] {
		if i < len(values) && (name != "" || values[i] != "") {
			kept := r.Form["headerKept"]
			rows = append(rows, view.EnteredHeader{Name: name, Value: values[i], Kept: slices.Contains(kept, name), Remove: removed[name]})
		}
	}
	return rows
}

func draftOf(e view.Entered) webhook.Draft {
	d := webhook.Draft{Name: e.Name, Provider: webhook.Provider(e.Provider), URL: e.URL, Event: webhook.Setting(e.Event)}
	for _, h := range e.Headers {
		d.Headers = append(d.Headers, webhook.Header{Name: h.Name, Value: webhook.HeaderValue(h.Value)})
	}
	return d
}

func changeOf(e view.Entered) webhook.Change {
	event := webhook.Setting(e.Event)
	c := webhook.Change{Name: &e.Name, URL: &e.URL, Event: &event}
	for _, h := range e.Headers {
		c.Headers = append(c.Headers, webhook.HeaderChange{Name: h.Name, Value: webhook.HeaderValue(h.Value), Remove: h.Remove})
	}
	return c
}

// create answers POST /portal/webhooks/new.
func (p *Portal) create(req *request) error {
	e := entered(req.r)
	w, err := p.Service.Create(req.r.Context(), req.actor, req.org, draftOf(e), e.Ordered, nil)
	if err != nil {
		return p.refused(req, view.Form{}, e, err)
	}
	return goOn(req, "/portal/webhooks/"+w.ID+"/secret", webhookCreated)
}

// refused shows a form again with what is wrong with it; it returns errors of other
// kinds.
func (p *Portal) refused(req *request, edited view.Form, e view.Entered, err error) error {
	f := fault.Of(err)
	var form view.Form
	switch f.Kind {
	case fault.Invalid:
		form = view.FormOf(e, f.Fields)
	case fault.Conflict, fault.Stale:
		form = view.FormOf(e, nil)
		form.Problem = f.Detail
	default:
		return err
	}
	form.ID, form.Version, form.OffersZapier = edited.ID, edited.Version, edited.ID == "" && p.offersZapier(e)
	return p.form(req, p.StatusOf(f.Kind), form)
}

// editForm answers GET /portal/webhooks/{id}/edit.
func (p *Portal) editForm(req *request) error {
	_, w, err := p.cardOf(req)
	if err != nil {
		return err
	}
	return p.form(req, http.StatusOK, view.EditForm(w.Webhook))
}

// edit answers POST /portal/webhooks/{id}/edit. The form has the version that it
// shows, so that it does not overwrite a change that another person made
// meanwhile.
func (p *Portal) edit(req *request) error {
	id, e := req.r.PathValue("id"), entered(req.r)
	_, err := p.Service.Change(req.r.Context(), req.actor, req.org, id, versions(req.r), changeOf(e), nil)
	if err == nil {
		return goOn(req, "/portal/", webhookSaved)
	}
	edited := view.Form{ID: id}
	edited.Version, _ = strconv.ParseInt(req.r.FormValue("version"), 10, 64)
	if fault.Is(err, fault.Stale) {
		_, w, gone := p.cardOf(req)
		if gone != nil {
			return gone
		}
		edited.Version = w.Version
		err = fault.New(fault.Stale, "stale-version",
			"This webhook was changed while you edited it. Saving again replaces that change with what you see here.")
	}
	return p.refused(req, edited, e, err)
}

// versions returns the version of a form, any when it has none.
func versions(r *http.Request) manage.Versions {
	n, err := strconv.ParseInt(r.FormValue("version"), 10, 64)
	if err != nil || n <= 0 {
		return manage.Versions{}
	}
	return manage.OnlyVersions([]int64{n})
}

// checkNew answers POST /portal/webhooks/new/check: what is wrong with a form
// that is being typed.
func (p *Portal) checkNew(req *request) error {
	e := entered(req.r)
	f := view.FormOf(e, p.Service.CheckDraft(req.org, draftOf(e)))
	f.OffersZapier = p.offersZapier(e)
	return p.checked(req, f)
}

// offersZapier reports whether the Zapier provider fits a new webhook better.
func (p *Portal) offersZapier(e view.Entered) bool {
	return p.Service.Rules.SuggestsZapier(webhook.Webhook{Provider: webhook.Provider(e.Provider), URL: webhook.Trim(e.URL)})
}

// checkEdit answers POST /portal/webhooks/{id}/edit/check.
func (p *Portal) checkEdit(req *request) error {
	e := entered(req.r)
	wrong, err := p.Service.CheckChange(req.r.Context(), req.org, req.r.PathValue("id"), changeOf(e))
	if err != nil {
		return err
	}
	f := view.FormOf(e, wrong)
	f.ID = req.r.PathValue("id")
	return p.checked(req, f)
}

func (p *Portal) checked(req *request, f view.Form) error {
	return p.page(req, http.StatusOK, render.Frame{Title: "Add Webhook", Tab: "webhooks"}, "checked", f)
}
