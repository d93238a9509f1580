package portal

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/config-api/internal/manage"
	"github.com/dialnote/webhooks/services/config-api/internal/portal/render"
	"github.com/dialnote/webhooks/services/config-api/internal/portal/view"
)

// chartHours is how far back a card's chart goes.
const chartHours = 24

// cards answers GET /portal/.
func (p *Portal) cards(req *request) error {
	page, err := p.cardsPage(req)
	if err != nil {
		return err
	}
	return p.page(req, http.StatusOK, render.Frame{Title: "Settings", Tab: "webhooks", Live: liveOf("", "", page.Seen)}, "cards", page)
}

func (p *Portal) cardsPage(req *request) (view.Cards, error) {
	ctx := req.r.Context()
	views, err := p.webhooks(ctx, req.org)
	if err != nil {
		return view.Cards{}, err
	}
	page := view.Cards{
		Any: len(views) > 0, Most: p.Service.MaxWebhooks, Full: len(views) >= p.Service.MaxWebhooks,
		Events: view.EventSettings(), Here: "/portal/",
	}
	all := len(views)
	page.Seen = cardsDigest(views)
	if page.Search = strings.TrimSpace(req.r.FormValue("q")); page.Search != "" {
		page.Here += "?" + url.Values{"q": {page.Search}}.Encode()
		views = slices.DeleteFunc(views, func(w manage.View) bool { return !fits(w, page.Search) })
		page.Matches = matches(len(views), all, page.Search)
	}
	activity := p.activity(ctx, req.org)
	for _, w := range views {
		page.Cards = append(page.Cards, p.card(w, activity, req.clock))
	}
	page.ManyOf(all)
	return page, nil
}

// webhooks returns all webhooks of an organization, newest first.
func (p *Portal) webhooks(ctx context.Context, org string) ([]manage.View, error) {
	all, err := p.Service.Snapshot(ctx, org, func(webhook.Webhook) bool { return true })
	if err != nil {
		return nil, err
	}
	views := make([]manage.View, 0, len(all))
	for _, w := range all {
		views = append(views, w)
	}
	slices.SortFunc(views, func(a, b manage.View) int { return cmp.Compare(b.ID, a.ID) })
	return views, nil
}

// activity returns the outcomes of each webhook. When they cannot be read, the
// cards have empty charts.
func (p *Portal) activity(ctx context.Context, org string) map[string][]store.HourStats {
	activity, err := p.Service.Activity(ctx, org, chartHours)
	if err != nil {
		p.Log.WarnContext(ctx, "activity for charts not read", slog.Any("error", err))
	}
	return activity
}

func (p *Portal) card(w manage.View, activity map[string][]store.HourStats, c view.Clock) view.Card {
	hours, any := activity[w.ID]
	if !any {
		hours = p.Service.NoHours(chartHours)
	}
	return view.CardOf(w, p.DisableAfter, hours, c)
}

// cardOf returns the card of one webhook, without its chart, or NotFound.
func (p *Portal) cardOf(req *request) (view.Card, manage.View, error) {
	w, err := p.Service.Get(req.r.Context(), req.org, req.r.PathValue("id"))
	if err != nil {
		return view.Card{}, manage.View{}, err
	}
	w.Secret = ""
	return view.CardOf(w, p.DisableAfter, nil, req.clock), w, nil
}

// fits reports whether a webhook is found by a text: in its name or its URL,
// in either case.
func fits(w manage.View, text string) bool {
	text = strings.ToLower(text)
	return strings.Contains(strings.ToLower(w.Name), text) || strings.Contains(strings.ToLower(w.URL), text)
}

func matches(found, all int, text string) string {
	text = "“" + text + "”."
	switch found {
	case 0:
		return "No webhook matches " + text
	case 1:
		return "1 of " + view.Plural(int64(all), "webhook") + " matches " + text
	default:
		return view.Count(int64(found)) + " of " + view.Plural(int64(all), "webhook") + " match " + text
	}
}
