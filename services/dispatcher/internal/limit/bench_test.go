package limit

import (
	"fmt"
	"testing"
	"time"
)

// entered is the delivery of a benchmark that has a place.
func entered(bool) Job { return nil }

// BenchmarkWebhooks takes a place and gives it back, as each attempt does.
func BenchmarkWebhooks(b *testing.B) {
	for name, beside := range map[string]int{"alone": 0, "beside others": 50} {
		b.Run(name, func(b *testing.B) {
			w := newWebhooks(limits(512, 32))
			for n := range beside {
				if id := fmt.Sprintf("other %d", n); !enter(w, id) {
					b.Fatal("no place")
				}
			}
			of := alone("mine")
			b.ReportAllocs()
			for b.Loop() {
				w.Enter(b.Context(), of, entered)
				w.Leave(of.WebhookID, time.Millisecond)
			}
		})
		b.Run(name+", one in flight", func(b *testing.B) {
			w := newWebhooks(limits(512, 32))
			for n := range beside {
				enter(w, fmt.Sprintf("other %d", n))
			}
			of := alone("mine")
			enter(w, of.WebhookID)
			b.ReportAllocs()
			for b.Loop() {
				w.Enter(b.Context(), of, entered)
				w.Leave(of.WebhookID, time.Millisecond)
			}
		})
	}
}

// BenchmarkPass hands places over to deliveries that wait without a goroutine.
func BenchmarkPass(b *testing.B) {
	w := newWebhooks(limits(512, 32))
	of := alone("mine")
	for range 32 {
		enter(w, of.WebhookID)
	}
	b.ReportAllocs()
	for b.Loop() {
		w.Enter(b.Context(), of, entered)
		if w.Pass(of.WebhookID, time.Millisecond) == nil {
			b.Fatal("no turn")
		}
	}
}

// BenchmarkLine hands places over to deliveries that wait in goroutines of their own.
func BenchmarkLine(b *testing.B) {
	w := newWebhooks(limits(512, 32))
	of := alone("mine")
	for range 32 {
		enter(w, of.WebhookID)
	}
	b.ReportAllocs()
	for b.Loop() {
		turn := w.Join(b.Context(), of)
		w.Leave(of.WebhookID, time.Millisecond)
		if !turn.Wait() {
			b.Fatal("no turn")
		}
	}
}
