package dispatch

import "sync"

// workers are goroutines that each do one job after the other. A new goroutine's
// stack would have to grow again for each job, which took a tenth of all the time.
// There are as many as there are jobs; at most most of them are kept for jobs to
// come, and the one that has waited for the shortest time gets the next job.
type workers struct {
	most    int
	running sync.WaitGroup

	mu      sync.Mutex
	idle    []chan func() // of the workers that wait for a job
	stopped bool
}

func newWorkers(most int) *workers { return &workers{most: most} }

// do has a job done and does not wait for it.
func (w *workers) do(job func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	last := len(w.idle) - 1
	if last < 0 {
		w.running.Go(func() { w.work(job) })
		return
	}
	w.idle[last] <- job
	w.idle = w.idle[:last]
}

func (w *workers) work(job func()) {
	next := make(chan func(), 1)
	for ok := true; ok; {
		job()
		if !w.wait(next) {
			return
		}
		job, ok = <-next
	}
}

// wait has a worker wait for a job. It reports false when the worker is not needed.
func (w *workers) wait(next chan func()) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped || len(w.idle) == w.most {
		return false
	}
	w.idle = append(w.idle, next)
	return true
}

// stop waits until all jobs are done.
func (w *workers) stop() {
	w.mu.Lock()
	w.stopped = true
	for _, next := range w.idle {
		close(next)
	}
	w.idle = nil
	w.mu.Unlock()
	w.running.Wait()
}
