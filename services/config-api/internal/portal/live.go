package portal

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/services/config-api/internal/live"
	"github.com/dialnote/webhooks/services/config-api/internal/manage"
	"github.com/dialnote/webhooks/services/config-api/internal/portal/view"
	"github.com/dialnote/webhooks/services/config-api/internal/sse"
)

// streamTime is how long a stream lasts. A browser that reconnects needs a valid
// session.
const streamTime = 10 * time.Minute

// live answers GET /portal/live: server-sent events that htmx puts into the page.
// Events that wait are written together.
func (p *Portal) live(w http.ResponseWriter, r *http.Request) {
	session, err := p.session(r)
	if err != nil {
		p.fail(w, r, view.Theme{}, err)
		return
	}
	l, err := p.Live.Listen(r.Context(), session.OrganizationID)
	if err != nil {
		p.fail(w, r, view.Theme{}, err)
		return
	}
	defer l.Close()
	ctx, cancel := context.WithDeadline(r.Context(), earlier(p.Now().Add(streamTime), session.ExpiresAt))
	defer cancel()
	sse.SetHeader(w.Header())
	w.WriteHeader(http.StatusOK)
	f := &feed{
		portal: p, org: session.OrganizationID, zone: zone(r), w: sse.NewWriter(w, http.NewResponseController(w)),
		webhook: r.FormValue("webhook"), delivery: r.FormValue("delivery"), seen: r.FormValue("seen"),
	}
	hasSession := func() bool {
		_, err := p.session(r)
		return !fault.Is(err, fault.Unauthenticated)
	}
	sse.Serve(ctx, f.w, l.Events(), hasSession, func(e live.Event) { f.show(ctx, e, l.Events()) })
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// feed writes the events of one page.
type feed struct {
	portal            *Portal
	org               string
	zone              *time.Location
	webhook, delivery string // what the page is about; "" for the cards
	seen              string // the digest of what it shows

	w *sse.Writer
}

// news is what happened since the page's last event.
type news struct {
	first  bool                    // the page has just been read
	resync bool                    // events may have been lost
	list   bool                    // a webhook was created or deleted
	cards  map[string]*manage.View // webhooks that changed, as they are now
	log    bool                    // one of the webhook's deliveries changed
	one    bool                    // the delivery changed
}

// show writes an event, together with those that wait behind it.
func (f *feed) show(ctx context.Context, e live.Event, waiting <-chan live.Event) {
	n := news{cards: make(map[string]*manage.View)}
	f.add(&n, e)
	for len(waiting) > 0 {
		if e, more := <-waiting; more {
			f.add(&n, e)
		}
	}
	f.write(ctx, n)
}

// add adds one event to the news.
func (f *feed) add(n *news, e live.Event) {
	switch {
	case e.Resync == live.Connected:
		n.first = true
	case e.Resync != "":
		n.resync = true
	case e.Delivery != nil:
		n.log = n.log || e.Delivery.WebhookID == f.webhook
		n.one = n.one || e.Delivery.DeliveryID == f.delivery
	case e.Webhook != nil && (e.Webhook.View == nil || e.Webhook.Changes[0] == live.Created):
		n.list = true
	case e.Webhook != nil:
		n.cards[e.Webhook.ID] = e.Webhook.View
	}
}

// write writes the news that concern the page.
func (f *feed) write(ctx context.Context, n news) {
	switch {
	case n.first && f.seen != "" && f.seen == f.portal.digest(ctx, f.org, f.webhook, f.delivery):
		return
	case n.first, n.resync:
		f.event("resync", []byte("read again"))
		return
	case f.webhook == "":
		if n.list {
			f.event("list", []byte("read again"))
		} else if len(n.cards) > 0 {
			f.event("cards", f.portal.changedCards(ctx, f.org, n.cards, f.zone))
		}
		return
	}
	if w := n.cards[f.webhook]; w != nil {
		f.event("state", f.portal.changedState(ctx, w))
		n.log = n.log || f.delivery == "" // why deliveries wait depends on it
	}
	if n.log {
		f.event("log", []byte("read again"))
	}
	if n.one {
		f.event("delivery", []byte("read again"))
	}
}

// changedCards returns cards that take the place of those on the page.
func (p *Portal) changedCards(ctx context.Context, org string, changed map[string]*manage.View, zone *time.Location) []byte {
	activity := p.activity(ctx, org)
	var cards bytes.Buffer
	for _, w := range changed {
		card := p.card(*w, activity, view.Clock{Now: p.Now(), Zone: zone})
		card.Swap = true
		html, err := p.renderer.Piece("card", card)
		if err != nil {
			p.Log.ErrorContext(ctx, "card not rendered", slog.Any("error", err))
			continue
		}
		cards.Write(html)
	}
	return cards.Bytes()
}

// changedState returns the state of a webhook for the top of its pages, which
// takes the place of the one there.
func (p *Portal) changedState(ctx context.Context, w *manage.View) []byte {
	card := view.CardOf(*w, p.DisableAfter, nil, view.Clock{Now: p.Now(), Zone: time.UTC})
	card.Swap = true
	html, err := p.renderer.Piece("state", card)
	if err != nil {
		p.Log.ErrorContext(ctx, "state not rendered", slog.Any("error", err))
	}
	return html
}

func (f *feed) event(name string, data []byte) { f.w.Write(sse.Event{Name: name, Data: data}) }
