package limit

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
		w := NewWorkers(idle)
		var done atomic.Int64
		var seen sync.Map // of goroutines
		release := make(chan struct{})
		for range jobs {
			w.Do(func() Job {
				seen.Store(goroutine(), true)
				<-release
				done.Add(1)
				return nil
			})
		}
		synctest.Wait()
		close(release)
		synctest.Wait()
		if n := len(w.idle); done.Load() != jobs || n != idle {
			t.Errorf("%d jobs are done and %d workers wait, want %d and %d", done.Load(), n, jobs, idle)
		}
		w.Do(func() Job {
			mine := goroutine()
			if _, again := seen.Load(mine); !again {
				t.Error("a job was given to a new goroutine while others waited")
			}
			return func() Job {
				if next := goroutine(); next != mine {
					t.Errorf("what a job returned was done by goroutine %s, not by %s", next, mine)
				}
				done.Add(1)
				return nil
			}
		})
		synctest.Wait()
		w.Do(func() Job {
			w.Do(func() Job {
				done.Add(1)
				return nil
			})
			return nil
		})
		w.Stop()
		if n := len(w.idle); n != 0 || done.Load() != jobs+2 {
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
