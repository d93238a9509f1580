//nolint:thelper // These are the tests themselves: a failure belongs to its own line.
package storetest

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// history makes the rows of a webhook's log.
type history struct {
	w    webhook.Webhook
	rows []delivery.Attempt
}

// add adds a row of a delivery, named by its event, that began at start.
func (h *history) add(eventID string, start time.Time, took time.Duration, status delivery.Status) *delivery.Attempt {
	a := Succeeded(h.w, start, took)
	a.EventID, a.DeliveryID = eventID, delivery.ID(h.w.ID, eventID)
	switch status {
	case delivery.StatusDelivered:
	case delivery.StatusRetrying, delivery.StatusFailed:
		a.Outcome = delivery.Outcome{
			Result: delivery.Failed, Reason: delivery.ReasonClientError, StatusCode: 404, Message: "Server answered 404 Not Found",
		}
		if status == delivery.StatusFailed {
			a.Number = delivery.DefaultPolicy().Attempts()
		}
	case delivery.StatusHeld:
		a.Number, a.Outcome = 0, delivery.Outcome{Result: delivery.Deferred, Message: "Held: on hold."}
	case delivery.StatusSkipped:
		a.Number, a.Outcome = 0, delivery.Outcome{Result: delivery.Skipped, Message: "Skipped: disabled."}
	}
	h.rows = append(h.rows, a)
	return &h.rows[len(h.rows)-1]
}

// write records the rows and returns them as they are kept.
func (h *history) write(t *testing.T, s store.Store) []store.LoggedAttempt {
	policy := delivery.DefaultPolicy()
	policy.AutoDisableAfter = 1 << 30
	recorded, err := s.Record(t.Context(), policy, h.rows)
	if err != nil {
		t.Fatal(err)
	}
	logged := make([]store.LoggedAttempt, len(h.rows))
	for i, a := range h.rows {
		a.StartedAt, a.EndedAt = delivery.Recordable(a.StartedAt), delivery.Recordable(a.EndedAt)
		logged[i] = store.LoggedAttempt{Attempt: a, Status: recorded[i].Decision.Status, NextAt: recorded[i].Decision.At}
	}
	return logged
}

// deliveriesOf is what the log should show of these rows: what ListDeliveries
// promises, without a database.
func deliveriesOf(rows []store.LoggedAttempt, f store.DeliveryFilter) []store.LoggedDelivery {
	byID := map[string][]store.LoggedAttempt{}
	for _, row := range rows {
		byID[row.DeliveryID] = append(byID[row.DeliveryID], row)
	}
	var latest []store.LoggedAttempt
	shown := map[string]store.LoggedDelivery{}
	for id, all := range byID {
		slices.SortFunc(all, func(a, b store.LoggedAttempt) int {
			return cmp.Or(a.EndedAt.Compare(b.EndedAt), strings.Compare(a.ID, b.ID))
		})
		last := all[len(all)-1]
		d := store.LoggedDelivery{
			ID: id, WebhookID: last.WebhookID, EventID: last.EventID, EventType: last.EventType, EventSequence: last.EventSequence,
			Test: last.Test, Status: last.Status, Message: last.Outcome.Message, NextAt: last.NextAt, UpdatedAt: last.EndedAt,
		}
		for _, a := range all {
			if a.Number == 0 {
				continue
			}
			if d.Attempts == 0 || a.StartedAt.Before(d.FirstAttemptAt) {
				d.FirstAttemptAt = a.StartedAt
			}
			d.Attempts++
			d.LastAttemptAt, d.Duration = a.StartedAt, a.EndedAt.Sub(a.StartedAt)
			d.Reason, d.StatusCode = a.Outcome.Reason, a.Outcome.StatusCode
		}
		shown[id] = d
		if passes(f, d, last) {
			latest = append(latest, last)
		}
	}
	slices.SortFunc(latest, func(a, b store.LoggedAttempt) int {
		return cmp.Or(b.StartedAt.Compare(a.StartedAt), strings.Compare(b.ID, a.ID))
	})
	var list []store.LoggedDelivery
	for _, row := range latest {
		list = append(list, shown[row.DeliveryID])
	}
	return list
}

func passes(f store.DeliveryFilter, d store.LoggedDelivery, last store.LoggedAttempt) bool {
	return (f.Status == "" || f.Status == d.Status) &&
		(f.EventType == "" || f.EventType == d.EventType) &&
		(f.EventID == "" || f.EventID == d.EventID) &&
		(f.DeliveryID == "" || f.DeliveryID == d.ID) &&
		(f.Since.IsZero() || !last.StartedAt.Before(f.Since)) &&
		(f.Until.IsZero() || last.StartedAt.Before(f.Until)) &&
		strings.Contains(strings.ToLower(d.Message), strings.ToLower(f.Message))
}

// pages lists all pages of a webhook's deliveries.
func pages(t *testing.T, s store.Store, w webhook.Webhook, f store.DeliveryFilter, limit int) []store.LoggedDelivery {
	var all []store.LoggedDelivery
	for page := (store.Page{Limit: limit}); ; {
		list, next, err := s.ListDeliveries(t.Context(), w.OrganizationID, w.ID, f, page)
		if err != nil {
			t.Fatalf("list %+v: %v", f, err)
		}
		if len(list) > limit || next != "" && len(list) < limit { // so few rows are never looked through in vain
			t.Fatalf("a page of %d with limit %d, next %q", len(list), limit, next)
		}
		all = append(all, list...)
		if next == "" {
			return all
		}
		page.After = next
	}
}

// logProperty compares what is listed, under random filters, with a model, on
// random histories: deliveries in any state whose rows are in any order of
// time, also of the same one.
func logProperty(t *testing.T, s store.Store) {
	statuses := []delivery.Status{delivery.StatusDelivered, delivery.StatusRetrying, delivery.StatusHeld, delivery.StatusFailed, delivery.StatusSkipped}
	begin := time.Now().UTC().Truncate(time.Microsecond).Add(-time.Hour)
	at := func(rt *rapid.T, name string) time.Time { // few times, so that they meet, over an hour or two days
		step := rapid.SampledFrom([]time.Duration{time.Microsecond, time.Minute, -8 * time.Hour}).Draw(rt, name+" step")
		return begin.Add(time.Duration(rapid.IntRange(0, 5).Draw(rt, name)) * step)
	}
	rapid.Check(t, func(rt *rapid.T) {
		h := history{w: create(t, s, Webhook("org"+newID()))}
		events := rapid.IntRange(1, 6).Draw(rt, "events")
		for range rapid.IntRange(1, 14).Draw(rt, "rows") {
			n := rapid.IntRange(1, events).Draw(rt, "event")
			took := time.Duration(rapid.IntRange(0, 3).Draw(rt, "took")) * time.Microsecond
			a := h.add(fmt.Sprintf("evt_%d", n), at(rt, "start"), took, rapid.SampledFrom(statuses).Draw(rt, "status"))
			a.EventType = event.Types()[n%2]
			a.Test = n == 3
		}
		rows := h.write(t, s)
		for range 4 {
			f := store.DeliveryFilter{
				Status:    rapid.SampledFrom(append(statuses, "", "")).Draw(rt, "filter status"),
				EventType: rapid.SampledFrom([]event.Type{"", "", event.CallCompleted, event.RecordingCompleted}).Draw(rt, "filter type"),
				EventID:   rapid.SampledFrom([]string{"", "", "", "evt_1", "evt_9"}).Draw(rt, "filter event"),
				Message:   rapid.SampledFrom([]string{"", "", "ANSWERED 404", "h"}).Draw(rt, "filter message"),
			}
			if rapid.IntRange(0, 4).Draw(rt, "by delivery") == 0 {
				f.DeliveryID = delivery.ID(h.w.ID, "evt_1")
			}
			if rapid.Bool().Draw(rt, "since") {
				f.Since = at(rt, "filter since").Add(time.Duration(rapid.IntRange(0, 1).Draw(rt, "odd")))
			}
			if rapid.Bool().Draw(rt, "until") {
				f.Until = at(rt, "filter until").Add(time.Duration(rapid.IntRange(0, 1).Draw(rt, "odd")))
			}
			want := deliveriesOf(rows, f)
			if got := pages(t, s, h.w, f, rapid.IntRange(1, 4).Draw(rt, "limit")); fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
				rt.Fatalf("filter %+v:\n got %+v\nwant %+v", f, got, want)
			}
		}
	})
}

// logPages lists while the log grows: what does not change meanwhile is listed
// once, and nothing is listed twice.
func logPages(t *testing.T, s store.Store) {
	h := history{w: create(t, s, Webhook("acme"))}
	begin := time.Now().Add(-time.Hour)
	var want []string
	for i := range 9 {
		a := h.add(fmt.Sprintf("evt_%d", i), begin.Add(time.Duration(i)*time.Second), time.Millisecond, delivery.StatusRetrying)
		want = append([]string{a.DeliveryID}, want...)
	}
	h.write(t, s)
	moved := delivery.ID(h.w.ID, "evt_2")
	var got []string
	for page := (store.Page{Limit: 2}); ; {
		list, next, err := s.ListDeliveries(t.Context(), "acme", h.w.ID, store.DeliveryFilter{}, page)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range list {
			got = append(got, d.ID)
		}
		if next == "" {
			break
		}
		page.After = next
		grown := history{w: h.w}
		grown.add("evt_new"+newID(), time.Now(), time.Second, delivery.StatusDelivered)
		grown.add("evt_8", time.Now(), time.Second, delivery.StatusDelivered) // was listed on the first page
		grown.add("evt_2", time.Now(), time.Second, delivery.StatusRetrying)  // would have been on the fourth
		grown.write(t, s)
	}
	want = slices.DeleteFunc(want, func(id string) bool { return id == moved })
	wantEqual(t, "deliveries", got, want)
	list, _, err := s.ListDeliveries(t.Context(), "acme", h.w.ID, store.DeliveryFilter{}, store.Page{Limit: 1})
	wantNoError(t, err)
	wantEqual(t, "now first", list[0].ID, moved)
}

func logBadCursor(t *testing.T, s store.Store) {
	w := create(t, s, Webhook("acme"))
	for _, text := range []string{"", "x", " ", "1", "1 ", "1 wh_1", " att_1", "1e3 att_1", "9223372036854775807 att_1", "-9223372036854775808 att_1", "1 att_\x00", "1 att_\xff"} {
		cursor := base64.RawURLEncoding.EncodeToString([]byte(text)) + strings.Repeat("!", 1-min(1, len(text)))
		_, _, err := s.ListDeliveries(t.Context(), "acme", w.ID, store.DeliveryFilter{}, store.Page{Limit: 3, After: cursor})
		wantFault(t, err, fault.Invalid, "invalid")
	}
}

// logHostileText looks for texts that mean something to a database.
func logHostileText(t *testing.T, s store.Store) {
	h := history{w: create(t, s, Webhook("acme"))}
	messages := []string{"100% sure", "a_b", "a!b", `it's "odd" \ here`, "NUL \x00 end", "cut \xff end", "plain"}
	for i, m := range messages {
		h.add(fmt.Sprintf("evt_%d", i), time.Now(), time.Second, delivery.StatusFailed).Outcome.Message = m
	}
	h.write(t, s)
	begin, end := time.Date(0, 1, 1, 0, 0, 0, 0, time.FixedZone("", 86340)), time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.FixedZone("", -86340))
	wantEqual(t, "of all time", len(pages(t, s, h.w, store.DeliveryFilter{Since: begin, Until: end}, 3)), len(messages))
	for text, want := range map[string]int{
		"%": 1, "_": 1, "!": 1, "!%": 0, "'": 1, `\`: 1, `"odd"`: 1, "A_B": 1, "\x00": 2, "\xff": 2, "\uFFFD": 2, "0% S": 1,
		"'; DROP TABLE attempts; --": 0, strings.Repeat("x", 5000): 0, "e": 4, "": len(messages),
	} {
		if got := pages(t, s, h.w, store.DeliveryFilter{Message: text}, 100); len(got) != want {
			t.Errorf("%q is in %d messages, want %d", text, len(got), want)
		}
	}
}

func logForeign(t *testing.T, s store.Store) {
	ctx := t.Context()
	h := history{w: create(t, s, Webhook("acme"))}
	a := h.add("evt_1", time.Now(), 0, delivery.StatusHeld)
	h.write(t, s)
	other := create(t, s, Webhook("other"))
	deleted := create(t, s, Webhook("acme"))
	gone := history{w: deleted}
	b := gone.add("evt_1", time.Now(), 0, delivery.StatusHeld)
	gone.write(t, s)
	if _, err := s.Delete(ctx, By(), "acme", deleted.ID, 0); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ org, webhook, delivery string }{
		{"other", h.w.ID, a.DeliveryID}, {"acme", deleted.ID, b.DeliveryID}, {"acme", "wh_none", a.DeliveryID},
	} {
		_, _, err := s.ListDeliveries(ctx, c.org, c.webhook, store.DeliveryFilter{}, store.Page{Limit: 1})
		wantFault(t, err, fault.NotFound, "webhook-not-found")
		_, _, _, err = s.GetDelivery(ctx, c.org, c.webhook, c.delivery, store.Page{Limit: 10})
		wantFault(t, err, fault.NotFound, "webhook-not-found")
		_, err = s.Stats(ctx, c.org, c.webhook, time.Now().Add(-time.Hour), time.Now())
		wantFault(t, err, fault.NotFound, "webhook-not-found")
		_, err = s.SkipHeld(ctx, c.org, c.webhook, time.Now(), "no")
		wantFault(t, err, fault.NotFound, "webhook-not-found")
	}
	// Its own webhook shows another's delivery as little.
	_, _, _, err := s.GetDelivery(ctx, "other", other.ID, a.DeliveryID, store.Page{Limit: 10})
	wantFault(t, err, fault.NotFound, "delivery-not-found")
	wantEqual(t, "listed", len(pages(t, s, other, store.DeliveryFilter{DeliveryID: a.DeliveryID}, 10)), 0)
	d, _, _, err := s.GetDelivery(ctx, "acme", h.w.ID, a.DeliveryID, store.Page{Limit: 10})
	wantNoError(t, err)
	wantEqual(t, "status", d.Status, delivery.StatusHeld)
}

func logDelivery(t *testing.T, s store.Store) {
	h := history{w: create(t, s, Webhook("acme"))}
	begin := time.Now().Add(-time.Hour)
	for i := range 5 {
		h.add("evt_1", begin.Add(time.Duration(i)*time.Minute), time.Second, delivery.StatusRetrying).Outcome.Response.Body = []byte{byte(i)}
	}
	h.add("evt_1", begin.Add(time.Hour), 0, delivery.StatusSkipped)
	h.add("evt_2", begin, time.Second, delivery.StatusDelivered)
	rows := h.write(t, s)
	id := delivery.ID(h.w.ID, "evt_1")
	for page, want := (store.Page{Limit: 4}), rows[:6]; len(want) > 0; {
		got, attempts, next, err := s.GetDelivery(t.Context(), "acme", h.w.ID, id, page)
		wantNoError(t, err)
		wantEqual(t, "delivery", got, deliveriesOf(rows, store.DeliveryFilter{DeliveryID: id})[0])
		rest := max(0, len(want)-page.Limit)
		slices.Reverse(attempts)
		wantEqual(t, "attempts", attempts, want[rest:])
		if want = want[:rest]; (next == "") != (len(want) == 0) {
			t.Fatalf("%d attempts are left, the next page is %q", len(want), next)
		}
		page.After = next
	}
	_, _, _, err := s.GetDelivery(t.Context(), "acme", h.w.ID, delivery.ID(h.w.ID, "evt_3"), store.Page{Limit: 3})
	wantFault(t, err, fault.NotFound, "delivery-not-found")
	_, _, _, err = s.GetDelivery(t.Context(), "acme", h.w.ID, id, store.Page{Limit: 3, After: "eA"})
	if !fault.Is(err, fault.Invalid) {
		t.Errorf("a cursor that was made up: %v", err)
	}
}

// pagesEndEarly lists what is large: a page ends when it holds PageBytes, and the
// next one goes on.
func pagesEndEarly(t *testing.T, s store.Store) {
	const attempts = 100
	h := history{w: create(t, s, Webhook("acme"))}
	begin := time.Now().Add(-time.Hour)
	for i := range attempts {
		h.add("evt_1", begin.Add(time.Duration(i)*time.Second), time.Second, delivery.StatusRetrying).Outcome.Response = delivery.Response{
			Header: map[string][]string{"X-Long": {strings.Repeat("h", 4000)}}, Body: bytes.Repeat([]byte("b"), 4096),
		}
	}
	h.write(t, s)
	var sizes []int
	for page := (store.Page{Limit: attempts}); len(sizes) == 0 || page.After != ""; {
		_, got, next, err := s.GetDelivery(t.Context(), "acme", h.w.ID, delivery.ID(h.w.ID, "evt_1"), page)
		if err != nil {
			t.Fatal(err)
		}
		sizes, page.After = append(sizes, len(got)), next
	}
	if got := fmt.Sprint(sizes); got != "[32 32 32 4]" { // each has about 8 KiB
		t.Errorf("attempts by the page: %s", got)
	}
	const webhooks = 150
	for range webhooks {
		w := Webhook("long")
		w.URL += strings.Repeat("u", 2000)
		create(t, s, w)
	}
	listed, page := 0, store.Page{Limit: webhooks}
	for first := true; first || page.After != ""; first = false {
		list, next, err := s.List(t.Context(), "long", page)
		if err != nil || len(list) > store.PageBytes/2000 {
			t.Fatalf("a page of %d webhooks, %v", len(list), err)
		}
		listed, page.After = listed+len(list), next
	}
	entries := 0
	for first := true; first || page.After != ""; first = false {
		list, next, err := s.ListEntries(t.Context(), "long", audit.Filter{}, page)
		if err != nil || len(list) > store.PageBytes/2000 {
			t.Fatalf("a page of %d entries, %v", len(list), err)
		}
		entries, page.After = entries+len(list), next
	}
	if listed != webhooks || entries != webhooks {
		t.Errorf("listed %d webhooks and %d entries of %d", listed, entries, webhooks)
	}
}
