package share_test

import (
	"fmt"
	"testing"

	"github.com/dialnote/webhooks/pkg/share"
)

// BenchmarkPool takes and gives back, as each request does.
func BenchmarkPool(b *testing.B) {
	p := share.NewPool("x", share.Rule{Total: 256, Factor: 1}, 256)
	for i := range 50 {
		_ = p.Try(fmt.Sprint(i), 1)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Acquire(b.Context(), "mine", 1); err != nil {
			b.Fatal(err)
		}
		p.Release("mine", 1)
	}
}
