package repeat_test

import (
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/stream"
)

// BenchmarkFind is what each new event costs.
func BenchmarkFind(b *testing.B) {
	w := newWorld()
	w.now = start.Add(time.Minute)
	ids := make([]string, 1<<16)
	for i := range ids {
		ids[i] = event.NewID(w.now)
	}
	e, m := call("acme", ids[0]), &stream.Message{}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		m.Sequence++
		e.ID = ids[i%len(ids)]
		e.OrganizationID = ids[(i/len(ids))%len(ids)]
		if _, err := w.finder.Find(b.Context(), e, m); err != nil {
			b.Fatal(err)
		}
		w.taken = w.taken[:0]
	}
}
