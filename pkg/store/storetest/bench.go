package storetest

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// BenchmarkRecord measures batches of successful attempts, the common case,
// spread over few and over many webhooks: their wall time, the processor time
// that this process takes for them, and its allocations.
func BenchmarkRecord(b *testing.B, open func(*testing.B) store.Store) {
	b.Helper()
	s := open(b)
	for _, c := range []struct{ batch, hooks int }{{256, 1}, {256, 16}, {256, 256}, {2048, 256}} {
		b.Run(fmt.Sprintf("attempts=%d/webhooks=%d", c.batch, c.hooks), func(b *testing.B) {
			all := make([]webhook.Webhook, c.hooks)
			for i := range all {
				all[i] = Webhook(fmt.Sprintf("bench%d", i))
				if err := s.Create(b.Context(), By(), all[i], 1000); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			attempts, now, took := make([]delivery.Attempt, c.batch), time.Now(), time.Duration(0)
			for b.Loop() {
				b.StopTimer()
				for i := range attempts {
					now = now.Add(time.Millisecond)
					attempts[i] = benchmarked(all[i%c.hooks], now)
				}
				b.StartTimer()
				before := processorTime(b)
				if _, err := s.Record(b.Context(), delivery.DefaultPolicy(), attempts); err != nil {
					b.Fatal(err)
				}
				took += processorTime(b) - before
			}
			recorded := float64(b.N * c.batch)
			b.ReportMetric(recorded/b.Elapsed().Seconds(), "attempts/s")
			b.ReportMetric(float64(took.Nanoseconds())/recorded, "cpu-ns/attempt")
		})
	}
}

// processorTime returns what this process has taken so far, as user and in the
// system.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
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
