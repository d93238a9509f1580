package manage

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/dialnote/webhooks/pkg/cli"
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/signature"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// mostEntries is how many entries of one delivery's log are on a page: it can be
// redelivered without end.
const mostEntries = 100

// readWithin bounds the wait for an event: the log can be read without it.
const readWithin = 5 * time.Second

// Payload says whether the body that was sent can be shown.
type Payload string

// The states of a payload.
const (
	PayloadKept        Payload = "kept"
	PayloadExpired     Payload = "expired"     // its event is older than events are kept
	PayloadUnavailable Payload = "unavailable" // it cannot be read at the moment
)

// DeliveryView is a delivery with a page of its entries in the log, the last first.
type DeliveryView struct {
	store.LoggedDelivery

	Payload Payload
	Entries []EntryView
	Next    string // the cursor of the next page, "" at the end
}

// EntryView is an attempt, or the decision not to make one.
type EntryView struct {
	store.LoggedAttempt

	// Request is what was sent; nil when nothing was. Its body is nil, and the
	// headers with signatures are missing, unless the payload is kept. The requests of
	// a delivery share one body.
	Request *delivery.Request
}

// ListDeliveries returns a page of a webhook's deliveries and the cursor of the
// next; see store.Log.
func (s *Service) ListDeliveries(ctx context.Context, organizationID, webhookID string, filter store.DeliveryFilter, page store.Page,
) ([]store.LoggedDelivery, string, error) {
	list, next, err := s.DeliveryLog.ListDeliveries(ctx, organizationID, webhookID, filter, page)
	if err != nil {
		return nil, "", fmt.Errorf("list deliveries of webhook %s: %w", webhookID, err)
	}
	return list, next, nil
}

// Delivery returns a delivery with its last entries, or those behind a cursor, or
// NotFound. A broker that is away leaves the bodies unknown; the rest can still be
// read.
func (s *Service) Delivery(ctx context.Context, organizationID, webhookID, deliveryID, after string) (DeliveryView, error) {
	w, err := s.Webhooks.Get(ctx, organizationID, webhookID)
	if err != nil {
		return DeliveryView{}, fmt.Errorf("get webhook %s: %w", webhookID, err)
	}
	d, entries, next, err := s.DeliveryLog.GetDelivery(ctx, organizationID, webhookID, deliveryID, store.Page{Limit: mostEntries, After: after})
	if err != nil {
		return DeliveryView{}, fmt.Errorf("get delivery %s: %w", deliveryID, err)
	}
	sent, payload := s.sent(ctx, entries)
	view := DeliveryView{LoggedDelivery: d, Payload: payload, Entries: make([]EntryView, 0, len(entries)), Next: next}
	for _, e := range entries {
		entry := EntryView{LoggedAttempt: e}
		if e.Number > 0 {
			entry.Request = requestOf(w, sent, e.Attempt)
		}
		view.Entries = append(view.Entries, entry)
	}
	return view, nil
}

// sent returns the delivery of these entries, with the body that was sent, nil when
// it cannot be read. A test's body is in the log, any other one in the event
// stream.
func (s *Service) sent(ctx context.Context, entries []store.LoggedAttempt) (delivery.Delivery, Payload) {
	last := entries[0].Attempt
	d := delivery.Delivery{
		ID: last.DeliveryID, WebhookID: last.WebhookID, OrganizationID: last.OrganizationID,
		EventID: last.EventID, EventType: last.EventType,
	}
	if last.Test {
		d.Body = last.Body
		if d.Body == nil {
			return d, PayloadExpired
		}
		return d, PayloadKept
	}
	limited, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	kept, err := s.again(limited, last)
	switch {
	case err == nil:
		return kept, PayloadKept
	case fault.Is(err, fault.NotFound):
		return d, PayloadExpired
	default:
		s.Log.WarnContext(ctx, "event of delivery not read",
			slog.String("deliveryId", d.ID), slog.Uint64("sequence", last.EventSequence), slog.Any("error", err))
		return d, PayloadUnavailable
	}
}

// requestOf returns the request of attempt a. It is made again from the event, the
// secret and the time, which give the same request. Of the headers that the
// webhook's owner had added it has only the names.
func requestOf(w webhook.Webhook, d delivery.Delivery, a delivery.Attempt) *delivery.Request {
	r := &delivery.Request{URL: a.URL, Body: d.Body}
	signer, err := signature.NewSigner(w.Secret)
	if err != nil { // then nothing was signed either
		signer, d.Body = &signature.Signer{}, nil
	}
	w.Headers = webhook.MaskedHeaders(a.HeaderNames)
	r.Header = delivery.Header(d, w, signer, a.StartedAt).Header()
	r.Header["User-Agent"] = []string{delivery.UserAgent(cli.Version())}
	if d.Body == nil {
		delete(r.Header, "X-DialNote-Signature")
		delete(r.Header, "webhook-signature")
	}
	return r
}

// Stats returns a webhook's outcomes over so many hours of the clock, the one
// that has begun included.
func (s *Service) Stats(ctx context.Context, organizationID, webhookID string, hours int) (store.Stats, error) {
	since, until := s.window(hours)
	stats, err := s.DeliveryLog.Stats(ctx, organizationID, webhookID, since, until)
	if err != nil {
		return store.Stats{}, fmt.Errorf("count outcomes of webhook %s: %w", webhookID, err)
	}
	return stats, nil
}

// skipHeld records in the log that the events that waited for a webhook are not
// sent.
func (s *Service) skipHeld(ctx context.Context, w webhook.Webhook, why string) error {
	if _, err := s.DeliveryLog.SkipHeld(ctx, w.OrganizationID, w.ID, s.now(), why); err != nil {
		return fmt.Errorf("skip held deliveries of webhook %s: %w", w.ID, err)
	}
	return nil
}
