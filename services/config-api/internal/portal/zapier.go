package portal

import (
	"net/http"

	"github.com/dialnote/webhooks/pkg/access"
	"github.com/dialnote/webhooks/services/config-api/internal/portal/render"
	"github.com/dialnote/webhooks/services/config-api/internal/portal/view"
)

// showZapierKey answers POST /portal/zapier/key. The audit log says who saw the
// key.
func (p *Portal) showZapierKey(v *request) error {
	key, err := p.Service.ZapierKey(v.r.Context(), v.actor, v.org)
	if err != nil {
		return err
	}
	return p.zapier(v, key, false)
}

// askRotate answers GET /portal/zapier/rotate.
func (p *Portal) askRotate(v *request) error {
	return p.page(v, http.StatusOK, render.Frame{Title: "Rotate the Zapier key", Tab: "webhooks"}, "rotate", nil)
}

// rotate answers POST /portal/zapier/rotate.
func (p *Portal) rotate(v *request) error {
	key, err := p.Service.RotateZapierKey(v.r.Context(), v.actor, v.org)
	if err != nil {
		return err
	}
	return p.zapier(v, key, true)
}

// zapier shows the section Zapier Integration with its key: alone for a script,
// else on the page.
func (p *Portal) zapier(v *request, key access.ZapierKey, rotated bool) error {
	v.clock.Now = p.Now() // it may have been made since the request began
	shown := view.Zapier{Key: key.Key.Reveal(), Created: v.clock.Moment(key.CreatedAt), Rotated: rotated}
	if scripted(v.r) {
		if inDialog(v.r) { // the question was asked in the dialog, which closes
			v.w.Header().Set("HX-Retarget", "#zapier")
			v.w.Header().Set("HX-Reswap", "outerHTML")
			v.w.Header().Set("HX-Trigger", "close-dialog")
		}
		return p.page(v, http.StatusOK, render.Frame{}, "zapier", shown)
	}
	page, err := p.cardsPage(v)
	if err != nil {
		return err
	}
	page.Zapier = shown
	return p.page(v, http.StatusOK, render.Frame{Title: "Settings", Tab: "webhooks"}, "cards", page)
}
