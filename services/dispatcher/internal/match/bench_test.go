package match_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
)

// BenchmarkMatch finds the webhooks of an event in an organization with few
// webhooks or with as many as it may have: whose targets are in use; without a
// webhook for the event; and in a database that costs nothing, which leaves what
// making the targets costs.
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
		run("in_use", event.CallCompleted, calls, &lease{})
		run("unwanted", event.NoteCreated, none, &lease{})
		lost := &lease{}
		lost.lost.Store(true)
		run("read", event.CallCompleted, calls, lost)
	}
}

// BenchmarkTarget makes the target of a webhook.
func BenchmarkTarget(b *testing.B) {
	list := specimen("acme", 1)
	b.ReportAllocs()
	for b.Loop() {
		match.NewTarget(list[0])
	}
}

// BenchmarkMillion looks up 100,000 organizations of ten webhooks each, and
// reports what they take in the cache, and how long a run of the garbage
// collector takes then.
func BenchmarkMillion(b *testing.B) {
	for b.Loop() {
		m, err := match.New(made{each: 10}, &lease{}, 1<<30)
		if err != nil {
			b.Fatal(err)
		}
		before := heap()
		for n := range 100_000 {
			if _, err := m.Match(b.Context(), organization(n), event.NoteCreated); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(heap()-before)/(1<<20), "MiB")
		began := time.Now()
		runtime.GC()
		b.ReportMetric(float64(time.Since(began).Milliseconds()), "ms/GC")
		runtime.KeepAlive(m)
	}
}
