package portal

import (
	"net/http"

	"github.com/dialnote/webhooks/pkg/access"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/services/config-api/internal/portal/render"
	"github.com/dialnote/webhooks/services/config-api/internal/portal/view"
)

// keys answers GET /portal/keys.
func (p *Portal) keys(req *request) error { return p.keysPage(req, http.StatusOK, view.KeysPage{}) }

func (p *Portal) keysPage(req *request, status int, page view.KeysPage) error {
	after := req.r.URL.Query().Get("after")
	list, next, err := p.Service.APIKeys(req.r.Context(), req.org, store.Page{Limit: pageSize, After: after})
	if fault.Is(err, fault.Invalid) {
		return goOn(req, "/portal/keys", "")
	}
	if err != nil {
		return err
	}
	for _, k := range list {
		page.Keys = append(page.Keys, view.KeyOf(k, req.clock))
	}
	if next != "" {
		page.Older = here("/portal/keys", nil, next)
	}
	return p.page(req, status, render.Frame{Title: "API keys", Tab: "keys"}, "keys", page)
}

// createKey answers POST /portal/keys. The key's text is in this answer and
// nowhere else.
func (p *Portal) createKey(req *request) error {
	name := req.r.PostFormValue("name")
	key, text, err := p.Service.CreateAPIKey(req.r.Context(), req.actor, req.org, name, nil)
	if f := fault.Of(err); err != nil && (f.Kind == fault.Invalid || f.Kind == fault.Conflict) {
		return p.keysPage(req, p.StatusOf(f.Kind), view.KeysPage{Name: view.Input{Value: name, Error: view.Sentence(f.Detail)}})
	}
	if err != nil {
		return err
	}
	req.clock.Now = p.Now() // after the key was made
	return p.keysPage(req, http.StatusCreated, view.KeysPage{New: text, Named: key.Name})
}

// askRevoke answers GET /portal/keys/{key}/revoke.
func (p *Portal) askRevoke(req *request) error {
	list, _, err := p.Service.APIKeys(req.r.Context(), req.org, store.Page{Limit: access.MaxKeys})
	if err != nil {
		return err
	}
	for _, k := range list {
		if k.ID == req.r.PathValue("key") {
			return p.page(req, http.StatusOK, render.Frame{Title: "Revoke", Tab: "keys"}, "revoke", view.RevokePage{Key: view.KeyOf(k, req.clock)})
		}
	}
	return fault.New(fault.NotFound, "key-not-found", "There is no such key. It may have been revoked meanwhile.")
}

// revoke answers POST /portal/keys/{key}/revoke.
func (p *Portal) revoke(req *request) error {
	if err := p.Service.RevokeAPIKey(req.r.Context(), req.actor, req.org, req.r.PathValue("key")); err != nil {
		return err
	}
	return goOn(req, "/portal/keys", keyRevoked)
}
