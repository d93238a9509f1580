package portal

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/services/config-api/internal/live"
	"github.com/dialnote/webhooks/services/config-api/internal/manage"
	"github.com/dialnote/webhooks/services/config-api/internal/portal/view"
)

const (
	// beatEvery is how often a stream shows that it is alive when nothing
	// happens, and sendTime what one write may take, as in the API.
	beatEvery = 15 * time.Second
	sendTime  = 10 * time.Second

	// streamTime is how long a stream lasts. Whoever connects again needs a
	// session again.
	streamTime = 10 * time.Minute

	// A browser connects again after a time from retryFrom on, spread over as
	// long again.
	retryFrom = 2 * time.Second
)

// live answers GET /portal/live: server-sent events that htmx puts into the
// page. What happens at the same time is told together.
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
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // not every writer can
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	w.WriteHeader(http.StatusOK)
	f := &feed{
		portal: p, r: r, org: session.OrganizationID, zone: zone(r), w: w, control: control,
		webhook: r.FormValue("webhook"), delivery: r.FormValue("delivery"), seen: r.FormValue("seen"),
	}
	f.write(fmt.Appendf(nil, "retry: %d\n\n", (retryFrom + rand.N(retryFrom)).Milliseconds())) //nolint:gosec // spreading load is no secret
	f.follow(ctx, l)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// feed writes what happens to one page.
type feed struct {
	portal            *Portal
	r                 *http.Request
	org               string
	zone              *time.Location
	webhook, delivery string // what the page is about; "" for the cards
	seen              string // the digest of what it shows

	w       io.Writer
	control *http.ResponseController
	err     error
}

// news is what happened since the page was last told.
type news struct {
	first  bool                    // the page has just been read
	resync bool                    // something may have been missed
	list   bool                    // a webhook came or went
	cards  map[string]*manage.View // webhooks as they are now
	log    bool                    // something of the webhook's deliveries
	one    bool                    // something of the delivery
}

func (f *feed) follow(ctx context.Context, l *live.Listener) {
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	defer f.allow() // the server ends the answer after this
	for f.err == nil {
		select {
		case e, more := <-l.Events():
			if !more {
				return // the browser connects again, and the page is read anew
			}
			n := news{cards: make(map[string]*manage.View)}
			f.hear(&n, e)
			for len(l.Events()) > 0 {
				if e, more := <-l.Events(); more {
					f.hear(&n, e)
				}
			}
			f.tell(ctx, n)
		case <-beat.C:
			if _, err := f.portal.session(f.r); fault.Is(err, fault.Unauthenticated) {
				return
			}
			f.write([]byte(":\n\n"))
		case <-ctx.Done():
			return
		}
	}
}

// hear adds one event to the news.
func (f *feed) hear(n *news, e live.Event) {
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

// tell writes the news that concern the page.
func (f *feed) tell(ctx context.Context, n news) {
	switch {
	case n.first && f.seen != "" && f.seen == f.portal.digest(ctx, f.org, f.webhook, f.delivery):
		return
	case n.first, n.resync:
		f.event("resync", []byte("read anew"))
		return
	case f.webhook == "":
		if n.list {
			f.event("list", []byte("read anew"))
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
		f.event("log", []byte("read anew"))
	}
	if n.one {
		f.event("delivery", []byte("read anew"))
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
			p.Log.ErrorContext(ctx, "a card could not be shown", slog.Any("error", err))
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
		p.Log.ErrorContext(ctx, "a state could not be shown", slog.Any("error", err))
	}
	return html
}

// event writes one event.
func (f *feed) event(name string, data []byte) {
	var b bytes.Buffer
	b.WriteString("event: " + name + "\n")
	for line := range bytes.Lines(data) {
		b.WriteString("data: ")
		b.Write(bytes.TrimRight(line, "\r\n"))
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	f.write(b.Bytes())
}

func (f *feed) write(text []byte) {
	if f.err != nil {
		return
	}
	f.allow()
	if _, f.err = f.w.Write(text); f.err == nil {
		f.err = f.control.Flush()
	}
}

// allow gives what is written next its time.
func (f *feed) allow() {
	_ = f.control.SetWriteDeadline(time.Now().Add(sendTime)) // not every writer can
}
