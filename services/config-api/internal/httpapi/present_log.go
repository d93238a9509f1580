package httpapi

import (
	"encoding/base64"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/services/config-api/internal/api"
	"github.com/dialnote/webhooks/services/config-api/internal/manage"
)

func presentDelivery(d store.LoggedDelivery) api.Delivery {
	shown := api.Delivery{
		ID:             d.ID,
		WebhookID:      d.WebhookID,
		EventID:        d.EventID,
		EventType:      api.EventType(d.EventType),
		Status:         api.DeliveryStatus(d.Status),
		Test:           d.Test,
		Attempts:       d.Attempts,
		Message:        unlessZero(d.Message),
		Reason:         unlessZero(api.FailureReason(d.Reason)),
		StatusCode:     unlessZero(d.StatusCode),
		FirstAttemptAt: presentTime(d.FirstAttemptAt),
		LastAttemptAt:  presentTime(d.LastAttemptAt),
		NextAttemptAt:  presentTime(d.NextAt),
		UpdatedAt:      d.UpdatedAt.UTC(),
	}
	if d.Attempts > 0 {
		shown.DurationMs = new(max(0, d.Duration.Milliseconds()))
	}
	return shown
}

// deliveryDetail is a delivery without its log, which follows.
type deliveryDetail struct {
	api.Delivery
	Payload api.DeliveryDetailPayload `json:"payload"`
}

func presentDetail(v manage.DeliveryView) deliveryDetail {
	return deliveryDetail{Delivery: presentDelivery(v.LoggedDelivery), Payload: api.DeliveryDetailPayload(v.Payload)}
}

// shownEntry is an entry of a delivery's log, and whether its request is shown with
// the body.
type shownEntry struct {
	manage.EntryView
	body bool
}

// entriesOf returns the entries of a delivery. All requests have the same body,
// which may be large: it is shown with the first of those on the page.
func entriesOf(v manage.DeliveryView) []shownEntry {
	entries := make([]shownEntry, len(v.Entries))
	body := true
	for i, e := range v.Entries {
		entries[i] = shownEntry{EntryView: e, body: body}
		body = body && e.Request == nil
	}
	return entries
}

func presentEntry(e shownEntry) api.Attempt {
	o := e.Outcome
	a := api.Attempt{
		ID:            e.ID,
		Number:        e.Number,
		StartedAt:     e.StartedAt.UTC(),
		EndedAt:       e.EndedAt.UTC(),
		Succeeded:     o.Result == delivery.Succeeded,
		Status:        api.DeliveryStatus(e.Status),
		NextAttemptAt: presentTime(e.NextAt),
		Reason:        unlessZero(api.FailureReason(o.Reason)),
		Message:       unlessZero(o.Message),
		RemoteAddress: unlessZero(o.RemoteAddr),
		Response:      presentAnswer(o),
	}
	if r := e.Request; r != nil {
		a.Request = &api.LoggedMessage{URL: r.URL, Headers: r.Header}
		if r.Body != nil && e.body {
			a.Request.Body = new(string(r.Body))
		}
		a.Phases = new(presentPhases(o.Phases))
		a.SentTwice = unlessZero(o.SentTwice)
	}
	return a
}

// presentAnswer returns what came back, nil when nothing did. Bytes of its body
// that are no UTF-8 are shown as U+FFFD; a body that is no text comes in base64
// as well.
func presentAnswer(o delivery.Outcome) *api.Answer {
	if o.StatusCode == 0 {
		return nil
	}
	r := o.Response
	a := &api.Answer{
		StatusCode: o.StatusCode, Headers: r.Header, HeadersTruncated: unlessZero(r.HeaderTruncated),
		Body: string(r.Body), Truncated: r.Truncated, ContentEncoding: unlessZero(r.Encoding),
	}
	if r.Binary() {
		a.BodyBase64 = new(base64.StdEncoding.EncodeToString(r.Body))
	}
	if a.Headers == nil {
		a.Headers = api.Headers{}
	}
	return a
}

// unlessZero returns a pointer to v, nil for the zero value.
func unlessZero[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

func presentStats(window string, s store.Stats) api.Stats {
	shown := api.Stats{Window: window, Hours: make([]api.StatsHour, 0, len(s.Hours)), Reasons: map[string]int64{}}
	for _, h := range s.Hours {
		shown.Hours = append(shown.Hours, api.StatsHour{Start: h.Start, Delivered: h.Succeeded, Failed: h.Failed, Skipped: h.Skipped})
	}
	for reason, n := range s.Reasons {
		shown.Reasons[string(reason)] = n
	}
	if s.Latency.Requests > 0 {
		ms := func(d time.Duration) *float32 { return new(float32(d.Milliseconds())) }
		shown.Latency = api.Latency{P50: ms(s.Latency.P50), P95: ms(s.Latency.P95), P99: ms(s.Latency.P99)}
	}
	return shown
}
