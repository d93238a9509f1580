package dispatch

import (
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// A job never waits for another one, however many there are, and a few goroutines
// are kept for the jobs that follow.
func TestWorkersAreKeptForTheNextJob(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const idle, jobs = 2, 20
		w := newWorkers(idle)
		var done atomic.Int64
		var seen sync.Map // of goroutines
		release := make(chan struct{})
		for range jobs {
			w.do(func() {
				seen.Store(goroutine(), true)
				<-release
				done.Add(1)
			})
		}
		synctest.Wait()
		close(release)
		synctest.Wait()
		if n := len(w.idle); done.Load() != jobs || n != idle {
			t.Errorf("%d jobs are done and %d workers wait, want %d and %d", done.Load(), n, jobs, idle)
		}
		w.do(func() {
			if _, again := seen.Load(goroutine()); !again {
				t.Error("a job was given to a new goroutine while others waited")
			}
		})
		synctest.Wait()
		w.do(func() { w.do(func() { done.Add(1) }) })
		w.stop()
		if n := len(w.idle); n != 0 || done.Load() != jobs+1 {
			t.Errorf("after the stop %d workers wait; %d jobs are done", n, done.Load())
		}
	})
}

// goroutine returns the name of this goroutine, as its stack has it.
func goroutine() string {
	var line [64]byte
	name, _, _ := strings.Cut(string(line[:runtime.Stack(line[:], false)]), "[")
	return name
}
