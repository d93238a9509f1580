//nolint:thelper // These are the tests themselves: a failure belongs to its own line.
package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/store"
)

// statsProperty compares the statistics with a count of the rows themselves.
func statsProperty(t *testing.T, s store.Store) {
	hour := time.Now().UTC().Truncate(time.Hour)
	rapid.Check(t, func(rt *rapid.T) {
		h := history{w: create(t, s, Webhook("org"+newID()))}
		for i := range rapid.IntRange(0, 25).Draw(rt, "rows") {
			back := time.Duration(rapid.SampledFrom([]int64{0, 1, 1000, int64(time.Hour), int64(time.Hour) - 1000, int64(170 * time.Hour)}).Draw(rt, "back"))
			back += time.Duration(rapid.IntRange(0, 4).Draw(rt, "hours")) * time.Hour
			status := rapid.SampledFrom([]delivery.Status{
				delivery.StatusDelivered, delivery.StatusRetrying, delivery.StatusFailed, delivery.StatusHeld, delivery.StatusSkipped,
			}).Draw(rt, "status")
			a := h.add(fmt.Sprintf("evt_%d", i), hour.Add(-back), time.Second, status)
			a.Test = rapid.IntRange(0, 4).Draw(rt, "test") == 0
			if a.Number > 0 {
				most := rapid.SampledFrom([]int64{5_000_000, 200_000_000, int64(time.Hour)}).Draw(rt, "most")
				a.Outcome.Phases.Total = time.Duration(rapid.Int64Range(0, most).Draw(rt, "took"))
			}
			if a.Outcome.Reason != "" && rapid.Bool().Draw(rt, "redirect") {
				a.Outcome.Reason = delivery.ReasonRedirect
			}
		}
		rows := h.rows
		for part := range slices.Chunk(rows, max(1, rapid.IntRange(1, 25).Draw(rt, "batch"))) { // hours are added to
			h.rows = part
			h.write(t, s)
		}
		h.rows = rows
		since := hour.Add(-time.Duration(rapid.IntRange(1, 5).Draw(rt, "since")) * time.Hour)
		until := hour.Add(time.Duration(rapid.IntRange(-1, 1).Draw(rt, "until")) * time.Hour)
		got, err := s.Stats(t.Context(), h.w.OrganizationID, h.w.ID, since.Add(time.Duration(rapid.Int64Range(0, int64(time.Hour)-1).Draw(rt, "within the hour"))), until)
		if err != nil {
			t.Fatal(err)
		}
		if want := statsOf(h.rows, since, until); fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
			rt.Fatalf("got %+v\nwant %+v", got, want)
		}
		all, err := s.Activity(t.Context(), h.w.OrganizationID, since, until)
		if err != nil {
			t.Fatal(err)
		}
		want := statsOf(h.rows, since, until).Hours
		happened := slices.ContainsFunc(want, func(h store.HourStats) bool { return h.Succeeded+h.Failed+h.Skipped > 0 })
		if hours, told := all[h.w.ID]; told != happened || told && !slices.Equal(hours, want) || len(all) > 1 {
			rt.Fatalf("activity %+v, the rows say %+v", all, want)
		}
	})
}

func statsOf(rows []delivery.Attempt, since, until time.Time) store.Stats {
	stats := store.Stats{Reasons: map[delivery.Reason]int64{}}
	for start := since; start.Before(until); start = start.Add(time.Hour) {
		stats.Hours = append(stats.Hours, store.HourStats{Start: start})
	}
	var took []time.Duration
	for _, a := range rows {
		at := delivery.Recordable(a.StartedAt)
		if a.Test || at.Before(since) || !at.Before(until) {
			continue
		}
		hour := &stats.Hours[at.Sub(since)/time.Hour]
		switch a.Outcome.Result {
		case delivery.Succeeded:
			hour.Succeeded++
		case delivery.Failed:
			hour.Failed++
			stats.Reasons[a.Outcome.Reason]++
		case delivery.Skipped:
			hour.Skipped++
		case delivery.Deferred:
		}
		if a.Number > 0 {
			step := store.LatencyResolution
			for a.Outcome.Phases.Total > 128*step-step { // a 64th of the time at the most
				step *= 2
			}
			took = append(took, (a.Outcome.Phases.Total + step - 1).Truncate(step))
		}
	}
	slices.Sort(took)
	stats.Latency.Requests = int64(len(took))
	if n := len(took); n > 0 {
		stats.Latency.P50, stats.Latency.P95, stats.Latency.P99 = took[(n*50+99)/100-1], took[(n*95+99)/100-1], took[(n*99+99)/100-1]
	}
	return stats
}

// skipHeld has more to skip than one step holds.
func skipHeld(t *testing.T, s store.Store) {
	const held = 2100
	h, other := history{w: create(t, s, Webhook("acme"))}, history{w: create(t, s, Webhook("acme"))}
	now := time.Now()
	for i := range held {
		h.add(fmt.Sprintf("held_%d", i), now.Add(-time.Hour+time.Duration(i/7)*time.Second), 0, delivery.StatusHeld)
	}
	for status, n := range map[delivery.Status]int{delivery.StatusRetrying: 3, delivery.StatusDelivered: 5, delivery.StatusFailed: 7, delivery.StatusSkipped: 11} {
		for i := range n {
			h.add(fmt.Sprintf("%s_%d", status, i), now.Add(-time.Minute), time.Second, status)
		}
	}
	h.add("held_0", now, time.Second, delivery.StatusDelivered)                              // no longer held
	h.add("delivered_0", now, 0, delivery.StatusHeld).Outcome.Response.Body = []byte("kept") // is so now
	h.add("ahead", now.Add(time.Minute), time.Second, delivery.StatusHeld)                   // by a clock that goes before
	rows := h.write(t, s)
	other.add("held_0", now, 0, delivery.StatusHeld)
	other.write(t, s)

	const message = "Skipped: 'dis\x00carded'"
	n, err := s.SkipHeld(t.Context(), "acme", h.w.ID, now, message)
	wantNoError(t, err)
	wantEqual(t, "skipped", n, int64(held-1+3+1+1))
	again, err := s.SkipHeld(t.Context(), "acme", h.w.ID, now, message)
	wantEqual(t, "skipped again", []any{again, err}, []any{int64(0), nil})
	for status, want := range map[delivery.Status]int{
		delivery.StatusHeld: 0, delivery.StatusRetrying: 0, delivery.StatusDelivered: 5, delivery.StatusFailed: 7, delivery.StatusSkipped: held + 4 + 11,
	} {
		if got := pages(t, s, h.w, store.DeliveryFilter{Status: status}, 1000); len(got) != want {
			t.Errorf("%d are %s, want %d", len(got), status, want)
		}
	}
	wantEqual(t, "of another webhook", pages(t, s, other.w, store.DeliveryFilter{}, 10)[0].Status, delivery.StatusHeld)

	d, attempts, _, err := s.GetDelivery(t.Context(), "acme", h.w.ID, delivery.ID(h.w.ID, "retrying_0"), store.Page{Limit: 10})
	wantNoError(t, err)
	before := rows[slices.IndexFunc(rows, func(a store.LoggedAttempt) bool { return a.EventID == "retrying_0" })]
	skipped := before
	skipped.ID += "-skipped"
	skipped.Number, skipped.StartedAt, skipped.EndedAt = 0, delivery.Recordable(now), delivery.Recordable(now)
	skipped.Status, skipped.NextAt = delivery.StatusSkipped, time.Time{}
	skipped.Outcome = delivery.Outcome{Result: delivery.Skipped, Message: strings.ReplaceAll(message, "\x00", "\uFFFD")}
	wantEqual(t, "log", attempts, []store.LoggedAttempt{skipped, before})
	wantEqual(t, "delivery", d, deliveriesOf([]store.LoggedAttempt{skipped, before}, store.DeliveryFilter{})[0])
}

// hoursFollowTheLog checks what else than a first recording changes the counts.
func hoursFollowTheLog(t *testing.T, s store.Store) {
	hour := time.Now().UTC().Truncate(time.Hour)
	since, until := hour.Add(-48*time.Hour), hour.Add(time.Hour)
	h := history{w: create(t, s, Webhook("org"+newID()))}
	h.add("evt_1", hour.Add(-47*time.Hour), time.Second, delivery.StatusDelivered)
	h.add("evt_2", hour.Add(-time.Minute), time.Second, delivery.StatusDelivered)
	h.add("evt_3", hour.Add(-time.Minute), 0, delivery.StatusHeld)
	h.write(t, s)
	h.write(t, s) // as after an answer that was lost
	want := func(what string, sent, skipped int64) {
		t.Helper()
		all, err := s.Activity(t.Context(), h.w.OrganizationID, since, until)
		wantNoError(t, err)
		var gotSent, gotSkipped int64
		for _, hour := range all[h.w.ID] {
			gotSent, gotSkipped = gotSent+hour.Succeeded, gotSkipped+hour.Skipped
		}
		if gotSent != sent || gotSkipped != skipped {
			t.Errorf("%s: %d sent and %d skipped, want %d and %d", what, gotSent, gotSkipped, sent, skipped)
		}
	}
	want("recorded twice", 2, 0)
	if _, err := s.SkipHeld(t.Context(), h.w.OrganizationID, h.w.ID, hour, "Skipped."); err != nil {
		t.Fatal(err)
	}
	want("what was held is skipped", 2, 1)
	wantNoError(t, s.Prune(t.Context(), hour, store.Retention{Log: 24 * time.Hour, Audit: 24 * time.Hour}))
	want("the old are pruned", 1, 1)
	if _, err := s.Delete(t.Context(), By(), h.w.OrganizationID, h.w.ID, 0); err != nil {
		t.Fatal(err)
	}
	want("the webhook is deleted", 0, 0)
}
