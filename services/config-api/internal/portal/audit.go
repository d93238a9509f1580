package portal

import (
	"net/http"
	"strings"

	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/services/config-api/internal/portal/render"
	"github.com/dialnote/webhooks/services/config-api/internal/portal/view"
)

// audit answers GET /portal/audit.
func (p *Portal) audit(req *request) error {
	q := req.r.URL.Query()
	page := view.AuditPage{Webhook: strings.TrimSpace(q.Get("webhook"))}
	filter := audit.Filter{WebhookID: page.Webhook}
	for _, a := range audit.Actions() {
		chosen := q.Get("action") == string(a)
		page.Actions = append(page.Actions, view.Choice{Value: string(a), Label: view.ActionLabel(a), Chosen: chosen})
		if chosen {
			filter.Action = a
		}
	}
	page.Active = filter != audit.Filter{}
	entries, next, err := p.Service.AuditLog(req.r.Context(), req.org, filter, store.Page{Limit: pageSize, After: q.Get("after")})
	if fault.Is(err, fault.Invalid) {
		return goOn(req, "/portal/audit", "")
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		page.Entries = append(page.Entries, view.EntryOf(e, req.clock))
	}
	if next != "" {
		page.Older = here("/portal/audit", q, next)
	}
	if q.Get("after") != "" {
		page.First = here("/portal/audit", q, "")
	}
	return p.page(req, http.StatusOK, render.Frame{Title: "Audit log", Tab: "audit"}, "audit", page)
}
