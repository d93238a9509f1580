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
func (p *Portal) audit(v *request) error {
	q := v.r.URL.Query()
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
	entries, next, err := p.Service.AuditLog(v.r.Context(), v.org, filter, store.Page{Limit: pageSize, After: q.Get("after")})
	if fault.Is(err, fault.Invalid) {
		return goOn(v, "/portal/audit", "")
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		page.Entries = append(page.Entries, view.EntryOf(e, v.clock))
	}
	if next != "" {
		page.Older = here("/portal/audit", q, next)
	}
	if q.Get("after") != "" {
		page.First = here("/portal/audit", q, "")
	}
	return p.page(v, http.StatusOK, render.Frame{Title: "Audit log", Tab: "audit"}, "audit", page)
}
