package bench

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/dialnote/webhooks/proto"
	"github.com/dialnote/webhooks/services/hooklab/bench/process"
	"github.com/dialnote/webhooks/services/hooklab/bench/report"
	"github.com/dialnote/webhooks/services/hooklab/bench/stat"
	"github.com/dialnote/webhooks/services/hooklab/bench/system"
)

// marks is how many parts of a backlog are measured.
const marks = 100

func backlog() Case {
	return Case{
		Name:  "backlog",
		About: "1,000,000 queued events to one webhook: the rate of their first, middle and last tenth, and the dispatcher's memory.",
		Limit: 20 * time.Minute,
		run: func(ctx context.Context, b *bench) error {
			return b.withOne(ctx, system.Options{Dispatchers: 1, Settings: oneWebhook()}, overHTTP, func(ctx context.Context, s *system.System) error {
				found, err := b.rated(ctx, s, b.drainWatched(s, b.size(1_000_000, 5000)))
				if err != nil {
					return err
				}
				found.Aim(report.Peak(system.Dispatcher), report.Goal{Most: 150})
				found.Aim("rate of the last tenth, of that of the first", report.Goal{Least: 0.9})
				b.emit(found)
				return nil
			})
		},
	}
}

// drainWatched is a drain whose course is watched.
func (b *bench) drainWatched(s *system.System, n int) rated {
	r := b.drainOf(s, "released", n)
	r.mark = n / marks
	var w *watch
	release := r.do
	prepare := r.prepare
	r.prepare = func(ctx context.Context, run string) error {
		if err := s.NATS.Purge(ctx, proto.StreamEvents); err != nil { // of the run before
			return err
		}
		return prepare(ctx, run)
	}
	r.do = func(ctx context.Context, run string, into *report.Samples) (time.Time, error) {
		w = watchMemory(s.Dispatchers[0].PID())
		return release(ctx, run, into)
	}
	r.after = func(ctx context.Context, into *report.Samples) error {
		seen := w.stop()
		passed, err := s.Sink.Marks(ctx)
		if err != nil {
			return err
		}
		first, middle, last := tenth(passed, r.mark, 0), tenth(passed, r.mark, 45), tenth(passed, r.mark, 90)
		into.Add("rate of the first tenth", "deliveries/s", first)
		into.Add("rate of the middle tenth", "deliveries/s", middle)
		into.Add("rate of the last tenth", "deliveries/s", last)
		into.Add("rate of the last tenth, of that of the first", "", stat.Ratio(last, first))
		for _, at := range []struct {
			name string
			mark int
		}{{"first tenth", 9}, {"middle tenth", 54}, {"last tenth", 99}} {
			into.Add("dispatcher memory after the "+at.name, "MiB", report.Mebibytes(memoryAt(seen, passed[at.mark])))
		}
		return nil
	}
	return r
}

// tenth returns the rate between two marks, ten apart. Each is some deliveries
// after the one before; the first tenth begins at the first mark, because
// nothing says when the count began.
func tenth(passed []int64, each, from int) float64 {
	begin, end := max(0, from-1), from+9
	took := time.Duration(passed[end] - passed[begin])
	return stat.Ratio(float64((end-begin)*each), took.Seconds())
}

// memory is what a process used at a time.
type memory struct{ at, bytes int64 }

// memoryAt returns what was used at the time nearest before one.
func memoryAt(seen []memory, at int64) int64 {
	i, _ := slices.BinarySearchFunc(seen, at, func(m memory, at int64) int { return int(m.at - at) })
	if i == 0 {
		return 0
	}
	return seen[i-1].bytes
}

// watch reads a process's memory ten times a second.
type watch struct {
	end  chan struct{}
	done sync.WaitGroup
	seen []memory
}

func watchMemory(pid int) *watch {
	w := &watch{end: make(chan struct{})}
	w.done.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			if u, err := process.Of(pid); err == nil {
				w.seen = append(w.seen, memory{time.Now().UnixNano(), u.Resident})
			}
			select {
			case <-tick.C:
			case <-w.end:
				return
			}
		}
	})
	return w
}

func (w *watch) stop() []memory {
	close(w.end)
	w.done.Wait()
	return w.seen
}
