package attempt_test

import (
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/services/dispatcher/internal/attempt"
)

// BenchmarkMake is all of an attempt but the sending.
func BenchmarkMake(b *testing.B) {
	m := attempt.NewMaker(&sender{outcome: delivery.Outcome{Result: delivery.Succeeded}}, time.Now)
	t, d := target(b, nil), testDelivery()
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := m.Make(b.Context(), t, d, 1); !ok {
			b.Fatal("nothing came of it")
		}
	}
}
