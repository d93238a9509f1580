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
func (p *Portal) log(req *request) error {
	card, w, err := p.cardOf(req)
	if err != nil {
		return err
	}
	q := req.r.URL.Query()
	shown, filter := view.ReadFilter(q, req.clock)
	page := view.Log{
		Head: view.HeadOf(card, ""), Filter: shown, Kept: view.Days(p.Retention), Zone: req.clock.Zone.String(),
		Here: here(req.r.URL.Path, q, ""),
	}
	if shown.Problem == "" {
		list, next, err := p.Service.ListDeliveries(req.r.Context(), req.org, w.ID, filter, store.Page{Limit: pageSize, After: q.Get("after")})
		if fault.Is(err, fault.Invalid) { // the address was changed by hand
			return goOn(req, page.Here, "")
		}
		if err != nil {
			return err
		}
		for _, d := range list {
			page.Rows = append(page.Rows, view.RowOf(d, card, req.clock))
		}
		if next != "" {
			page.Older = here(req.r.URL.Path, q, next)
		}
	}
	frame := render.Frame{Title: card.Name, Tab: "webhooks"}
	if q.Get("after") != "" {
		page.First = page.Here // an older page does not change live
	} else {
		frame.Live = liveOf(w.ID, "", p.digest(req.r.Context(), req.org, w.ID, ""))
	}
	return p.page(req, http.StatusOK, frame, "log", page)
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
func (p *Portal) delivery(req *request) error {
	card, w, err := p.cardOf(req)
	if err != nil {
		return err
	}
	q := req.r.URL.Query()
	d, err := p.Service.Delivery(req.r.Context(), req.org, w.ID, req.r.PathValue("delivery"), q.Get("after"))
	if fault.Is(err, fault.Invalid) { // the address was changed by hand
		return goOn(req, req.r.URL.Path, "")
	}
	if err != nil {
		return err
	}
	page := view.DeliveryPage{Head: view.HeadOf(card, ""), Delivery: view.DeliveryOf(d, card, req.clock)}
	if d.Next != "" {
		page.Older = here(req.r.URL.Path, q, d.Next)
	}
	frame := render.Frame{Title: card.Name, Tab: "webhooks"}
	if q.Get("after") != "" {
		page.First = req.r.URL.Path // an older page does not change live
	} else {
		frame.Live = liveOf(w.ID, d.ID, deliveryDigest([]store.LoggedDelivery{d.LoggedDelivery}))
	}
	return p.page(req, http.StatusOK, frame, "delivery", page)
}

// redeliver answers POST …/deliveries/{delivery}/redeliver.
func (p *Portal) redeliver(req *request) error {
	id, delivery := req.r.PathValue("id"), req.r.PathValue("delivery")
	if err := p.Service.Redeliver(req.r.Context(), req.actor, req.org, id, delivery); err != nil {
		return err
	}
	return goOn(req, "/portal/webhooks/"+id+"/deliveries/"+delivery, redelivered)
}
