package portal

import (
	"net/http"
	"net/url"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/services/config-api/internal/portal/render"
	"github.com/dialnote/webhooks/services/config-api/internal/portal/view"
)

// pageSize is how many rows a page of a list has.
const pageSize = 50

// log answers GET /portal/webhooks/{id}: its deliveries. The address has the filter
// and the page.
func (p *Portal) log(v *request) error {
	card, w, err := p.cardOf(v)
	if err != nil {
		return err
	}
	q := v.r.URL.Query()
	shown, filter := view.ReadFilter(q, v.clock)
	page := view.Log{
		Head: view.HeadOf(card, ""), Filter: shown, Kept: view.Days(p.Retention), Zone: v.clock.Zone.String(),
		Here: here(v.r.URL.Path, q, ""),
	}
	if shown.Problem == "" {
		list, next, err := p.Service.ListDeliveries(v.r.Context(), v.org, w.ID, filter, store.Page{Limit: pageSize, After: q.Get("after")})
		if fault.Is(err, fault.Invalid) { // the address was changed by hand
			return goOn(v, page.Here, "")
		}
		if err != nil {
			return err
		}
		for _, d := range list {
			page.Rows = append(page.Rows, view.RowOf(d, card, v.clock))
		}
		if next != "" {
			page.Older = here(v.r.URL.Path, q, next)
		}
	}
	frame := render.Frame{Title: card.Name, Tab: "webhooks"}
	if q.Get("after") != "" {
		page.First = page.Here // an older page does not change live
	} else {
		frame.Live = liveOf(w.ID, "", p.digest(v.r.Context(), v.org, w.ID, ""))
	}
	return p.page(v, http.StatusOK, frame, "log", page)
}

// here returns the address of a list's page: with what is filtered, and the
// cursor.
func here(path string, q url.Values, after string) string {
	kept := url.Values{}
	for name, values := range q {
		if name != "after" && name != "theme" && name != "accent" && values[0] != "" {
			kept[name] = values[:1]
		}
	}
	if after != "" {
		kept.Set("after", after)
	}
	if len(kept) == 0 {
		return path
	}
	return path + "?" + kept.Encode()
}

// delivery answers GET /portal/webhooks/{id}/deliveries/{delivery}.
func (p *Portal) delivery(v *request) error {
	card, w, err := p.cardOf(v)
	if err != nil {
		return err
	}
	d, err := p.Service.Delivery(v.r.Context(), v.org, w.ID, v.r.PathValue("delivery"))
	if err != nil {
		return err
	}
	page := view.DeliveryPage{Head: view.HeadOf(card, ""), Delivery: view.DeliveryOf(d, card, v.clock)}
	return p.page(v, http.StatusOK, render.Frame{Title: card.Name, Tab: "webhooks", Live: liveOf(w.ID, d.ID, deliveryDigest([]store.LoggedDelivery{d.LoggedDelivery}))}, "delivery", page)
}

// redeliver answers POST …/deliveries/{delivery}/redeliver.
func (p *Portal) redeliver(v *request) error {
	id, delivery := v.r.PathValue("id"), v.r.PathValue("delivery")
	if err := p.Service.Redeliver(v.r.Context(), v.actor, v.org, id, delivery); err != nil {
		return err
	}
	return goOn(v, "/portal/webhooks/"+id+"/deliveries/"+delivery, redelivered)
}
