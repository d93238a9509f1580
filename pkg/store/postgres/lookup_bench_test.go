package postgres_test

import (
	"fmt"
	"testing"

	"github.com/dialnote/webhooks/pkg/pgtest"
	"github.com/dialnote/webhooks/pkg/store/storetest"
)

// BenchmarkAll reads organizations of ten webhooks, as a dispatcher does that
// has not seen them yet, one after the other and several at once.
func BenchmarkAll(b *testing.B) {
	const organizations, each = 200, 10
	s := open(b, pgtest.Schema(b))
	for i := range organizations * each {
		if err := s.Create(b.Context(), storetest.By(), storetest.Webhook(fmt.Sprintf("bench%d", i%organizations)), 100); err != nil {
			b.Fatal(err)
		}
	}
	read := func(n int) error {
		list, err := s.All(b.Context(), fmt.Sprintf("bench%d", n%organizations))
		if err == nil && len(list) != each {
			return fmt.Errorf("read %d webhooks", len(list))
		}
		return err
	}
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		n := 0
		for b.Loop() {
			n++
			if err := read(n); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("several", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(8)
		b.RunParallel(func(p *testing.PB) {
			for n := 0; p.Next(); n++ {
				if err := read(n); err != nil {
					b.Error(err)
				}
			}
		})
	})
}
