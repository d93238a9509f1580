package match_test

import (
	"fmt"
	"testing"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
)

// BenchmarkMatch finds the webhooks of an event: in the cache, of an
// organization with few webhooks or with as many as it may have; and in a
// database that costs nothing, which leaves what making the targets costs.
func BenchmarkMatch(b *testing.B) {
	for _, webhooks := range []int{1, 3, 100} {
		s, l := &source{}, &lease{}
		var list []webhook.Webhook
		settings := []webhook.Setting{webhook.SendCallLogs, webhook.SendCallRecordings, webhook.SendNotes}
		for i := range webhooks {
			list = append(list, hook(fmt.Sprintf("wh_%d", i), settings[i%len(settings)]))
		}
		s.set("acme", list...)
		m, err := match.New(s, l, 1000)
		if err != nil {
			b.Fatal(err)
		}
		run := func(b *testing.B) {
			b.Helper()
			b.ReportAllocs()
			for b.Loop() {
				if found, err := m.Match(b.Context(), "acme", event.CallCompleted); err != nil || len(found) == 0 {
					b.Fatal(len(found), err)
				}
			}
		}
		b.Run(fmt.Sprintf("cached/%d", webhooks), run)
		l.lost.Store(true)
		b.Run(fmt.Sprintf("read/%d", webhooks), run)
	}
}
