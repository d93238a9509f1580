package match_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
)

// BenchmarkMatch finds the webhooks of an event in an organization with few
// webhooks or with as many as it may have: unpacked; in the organization's
// record, which says that nobody wants the event; and in a database that costs
// nothing, which leaves what making the targets costs.
func BenchmarkMatch(b *testing.B) {
	for _, webhooks := range []int{1, 3, 100} {
		list := specimen("acme", webhooks)
		run := func(name string, t event.Type, want int, l *lease) {
			b.Helper()
			s := &source{}
			s.set("acme", list...)
			m, err := match.New(s, l, 64<<20)
			if err != nil {
				b.Fatal(err)
			}
			b.Run(fmt.Sprintf("%s/%d", name, webhooks), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if found, err := m.Match(b.Context(), "acme", t); err != nil || len(found) != want {
						b.Fatal(len(found), err)
					}
				}
			})
		}
		calls, none := (webhooks+1)/2, 0
		run("unpacked", event.CallCompleted, calls, &lease{})
		run("unwanted", event.NoteCreated, none, &lease{})
		lost := &lease{}
		lost.lost.Store(true)
		run("read", event.CallCompleted, calls, lost)
	}
}

// BenchmarkTargets packs an organization of three webhooks into its record, and
// unpacks it.
func BenchmarkTargets(b *testing.B) {
	list := specimen("acme", 3)
	unpack := match.Pack("acme", list)
	b.Run("pack", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			match.Pack("acme", list)
		}
	})
	b.Run("unpack", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			unpack()
		}
	})
}

// BenchmarkMemory looks up organizations that are not in the cache, and reports
// what each of their webhooks takes then: in its record, and in a record and
// unpacked.
func BenchmarkMemory(b *testing.B) {
	for name, t := range map[string]event.Type{"records": event.NoteCreated, "unpacked": event.CallCompleted} {
		for _, each := range []int{3, 10} {
			b.Run(fmt.Sprintf("%s/%d", name, each), func(b *testing.B) {
				s := made(each)
				m, err := match.New(s, &lease{}, 16<<30)
				if err != nil {
					b.Fatal(err)
				}
				before, n := heap(), 0
				for b.Loop() {
					if _, err := m.Match(b.Context(), organization(n), t); err != nil {
						b.Fatal(err)
					}
					n++
				}
				b.ReportMetric(float64(heap()-before)/float64(n*each), "bytes/webhook")
				runtime.KeepAlive(m)
			})
		}
	}
}
