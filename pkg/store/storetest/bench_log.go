package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// BenchmarkLog reads a log in which one webhook has a million rows of seven
// days, and a hundred others as many together on the last of them. It takes a
// minute or more to fill: run it by hand, with -benchtime=20x. The store that
// open returns must have the partitions of those days. settle does to the full
// log what the database's own maintenance does in time.
func BenchmarkLog(b *testing.B, open func(*testing.B) store.Store, settle func(*testing.B, store.Store)) {
	b.Helper()
	const rows, days = 1_000_000, 7
	s := open(b)
	now := time.Now()
	w := fill(b, s, rows, now.Add(-days*24*time.Hour), now)
	settle(b, s)
	middle := now.Add(-days * 12 * time.Hour)
	var one store.LoggedDelivery
	for name, f := range map[string]store.DeliveryFilter{
		"all":             {},
		"middle":          {Until: middle},
		"a minute":        {Since: middle, Until: middle.Add(time.Minute)},
		"delivered":       {Status: delivery.StatusDelivered},
		"failed":          {Status: delivery.StatusFailed},
		"held":            {Status: delivery.StatusHeld},
		"retrying":        {Status: delivery.StatusRetrying},
		"skipped":         {Status: delivery.StatusSkipped},
		"another type":    {EventType: event.NoteCreated},
		"message":         {Message: "SERVICE UNAV"},
		"message of none": {Message: "certificate"},
		"event":           {EventID: fmt.Sprintf("evt_bench_%d", rows/2)},
	} {
		b.Run("list/"+name, func(b *testing.B) {
			n := 0
			for b.Loop() {
				list, _, err := s.ListDeliveries(b.Context(), w.OrganizationID, w.ID, f, store.Page{Limit: 50})
				if err != nil {
					b.Fatal(err)
				}
				if n = len(list); n > 0 {
					one = list[0]
				}
			}
			b.ReportMetric(float64(n), "listed")
		})
	}
	b.Run("get", func(b *testing.B) {
		for b.Loop() {
			if _, _, _, err := s.GetDelivery(b.Context(), w.OrganizationID, w.ID, one.ID, store.Page{Limit: 100}); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, hours := range []int{1, 24, 168} {
		b.Run(fmt.Sprintf("stats/%dh", hours), func(b *testing.B) {
			var n int64
			for b.Loop() {
				stats, err := s.Stats(b.Context(), w.OrganizationID, w.ID, now.Add(-time.Duration(hours)*time.Hour), now)
				if err != nil {
					b.Fatal(err)
				}
				n = stats.Latency.Requests
			}
			b.ReportMetric(float64(n), "requests")
		})
	}
	b.Run("skip held", func(b *testing.B) {
		var n int64
		for b.Loop() {
			skipped, err := s.SkipHeld(b.Context(), w.OrganizationID, w.ID, now, "Skipped.")
			if err != nil {
				b.Fatal(err)
			}
			n += skipped
		}
		b.ReportMetric(float64(n), "skipped")
	})
}

// fill records about so many rows of one webhook evenly from begin to end:
// most succeed at once, some later, few not at all, and of a day in the middle
// all were held first.
func fill(b *testing.B, s store.Store, rows int, begin, end time.Time) webhook.Webhook {
	b.Helper()
	const batch = 5000
	all := make([]webhook.Webhook, 101)
	for i := range all {
		all[i] = Webhook(fmt.Sprintf("bench%d", i))
		if err := s.Create(b.Context(), By(), all[i], 1000); err != nil {
			b.Fatal(err)
		}
	}
	policy := delivery.DefaultPolicy()
	policy.AutoDisableAfter = 1 << 30
	gap := end.Sub(begin) / time.Duration(rows)
	h, others := history{w: all[0]}, history{}
	flush := func() {
		for _, h := range []*history{&h, &others} {
			if _, err := s.Record(b.Context(), policy, h.rows); err != nil {
				b.Fatal(err)
			}
			h.rows = h.rows[:0]
		}
	}
	for i := 0; i < rows; i++ {
		at, id := begin.Add(time.Duration(i)*gap), fmt.Sprintf("evt_bench_%d", i)
		took := time.Duration(20+i%400) * time.Millisecond
		switch {
		case i > rows/2 && i < rows/2+rows/7:
			h.add(id, at, 0, delivery.StatusHeld)
			dress(h.add(id, at.Add(time.Minute), took, delivery.StatusDelivered))
			i++
		case i%100 == 1:
			dress(h.add(id, at, took, delivery.StatusRetrying))
			dress(h.add(id, at.Add(10*time.Second), took, delivery.StatusDelivered))
			i++
		case i%1000 == 12:
			a := h.add(id, at, took, delivery.StatusFailed)
			a.Outcome.Message = "Server answered 503 Service Unavailable"
		case i%5000 == 14:
			h.add(id, at, 0, delivery.StatusSkipped)
		case i%5000 == 15:
			h.add(id, at, 0, delivery.StatusHeld)
		default:
			dress(h.add(id, at, took, delivery.StatusDelivered))
		}
		others.w = all[1+i%100]
		dress(others.add(id, end.Add(time.Duration(i-rows)*gap/7), took, delivery.StatusDelivered))
		if len(h.rows) >= batch {
			flush()
		}
	}
	flush()
	return all[0]
}
