package deliver_test

import (
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/services/dispatcher/internal/deliver"
)

// BenchmarkAttempt is all of an attempt but the sending.
func BenchmarkAttempt(b *testing.B) {
	s := &sender{outcome: delivery.Outcome{Result: delivery.Succeeded}}
	t, d := target(b, nil), testDelivery()
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := deliver.Attempt(b.Context(), s, time.Now, t, d, 1); !ok {
			b.Fatal("nothing came of it")
		}
	}
}
