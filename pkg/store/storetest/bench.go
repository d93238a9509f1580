package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// BenchmarkRecord measures batches of 256 successful attempts, the common
// case, spread over few and over many webhooks.
func BenchmarkRecord(b *testing.B, open func(*testing.B) store.Store) {
	b.Helper()
	const batch = 256
	s := open(b)
	for _, hooks := range []int{1, 16, batch} {
		b.Run(fmt.Sprintf("webhooks=%d", hooks), func(b *testing.B) {
			all := make([]webhook.Webhook, hooks)
			for i := range all {
				all[i] = Webhook(fmt.Sprintf("bench%d", i))
				if err := s.Create(b.Context(), By(), all[i], 1000); err != nil {
					b.Fatal(err)
				}
			}
			now := time.Now()
			for b.Loop() {
				attempts := make([]delivery.Attempt, batch)
				for i := range attempts {
					now = now.Add(time.Millisecond)
					attempts[i] = benchmarked(all[i%hooks], now)
				}
				if _, err := s.Record(b.Context(), delivery.DefaultPolicy(), attempts); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*batch/b.Elapsed().Seconds(), "attempts/s")
		})
	}
}

func benchmarked(w webhook.Webhook, at time.Time) delivery.Attempt {
	a := Succeeded(w, at, 80*time.Millisecond)
	dress(&a)
	return a
}

// dress gives a successful attempt an answer of common size.
func dress(a *delivery.Attempt) {
	took := a.EndedAt.Sub(a.StartedAt)
	a.Outcome.RemoteAddr = "203.0.113.7:443"
	a.Outcome.Phases = delivery.Phases{FirstByte: took * 7 / 8, Total: took}
	a.Outcome.Response = delivery.Response{
		Header: map[string][]string{"Content-Type": {"application/json"}, "Date": {"Mon, 02 Mar 2026 10:00:00 GMT"}, "Content-Length": {"15"}},
		Body:   []byte(`{"received":true}`),
	}
}
