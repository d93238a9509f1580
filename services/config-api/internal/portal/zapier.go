package portal

import (
	"net/http"

	"github.com/dialnote/webhooks/pkg/access"
	"github.com/dialnote/webhooks/services/config-api/internal/portal/render"
	"github.com/dialnote/webhooks/services/config-api/internal/portal/view"
)

// showZapierKey answers POST /portal/zapier/key. The audit log says who saw the
// key.
func (p *Portal) showZapierKey(req *request) error {
	key, err := p.Service.ZapierKey(req.r.Context(), req.actor, req.org)
	if err != nil {
		return err
	}
	return p.zapier(req, key, false)
}

// askRotate answers GET /portal/zapier/rotate.
func (p *Portal) askRotate(req *request) error {
	return p.page(req, http.StatusOK, render.Frame{Title: "Rotate the Zapier key", Tab: "webhooks"}, "rotate", nil)
}

// rotate answers POST /portal/zapier/rotate.
func (p *Portal) rotate(req *request) error {
	key, err := p.Service.RotateZapierKey(req.r.Context(), req.actor, req.org)
	if err != nil {
		return err
	}
	return p.zapier(req, key, true)
}

// zapier shows the section Zapier Integration with its key: alone for a script,
// else on the page.
func (p *Portal) zapier(req *request, key access.ZapierKey, rotated bool) error {
	req.clock.Now = p.Now() // it may have been made since the request began
	shown := view.Zapier{Key: key.Key.Reveal(), Created: req.clock.Moment(key.CreatedAt), Rotated: rotated}
	if scripted(req.r) {
		if inDialog(req.r) { // the question was asked in the dialog, which closes
			req.w.Header().Set("HX-Retarget", "#zapier")
			req.w.Header().Set("HX-Reswap", "outerHTML")
			req.w.Header().Set("HX-Trigger", "close-dialog")
		}
		return p.page(req, http.StatusOK, render.Frame{}, "zapier", shown)
	}
	page, err := p.cardsPage(req)
	if err != nil {
		return err
	}
	page.Zapier = shown
	return p.page(req, http.StatusOK, render.Frame{Title: "Settings", Tab: "webhooks"}, "cards", page)
}
