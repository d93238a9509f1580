package limit

import "sync"

// Job is work for a worker. It returns what the same worker does next, nil for
// nothing.
type Job func() Job

// Workers are goroutines that each do one job after the other. A new goroutine's
// stack would have to grow again for each job, which took a tenth of all the time.
// There are as many as there are jobs; at most most of them are kept for jobs to
// come, and the one that has waited for the shortest time gets the next job. Safe
// for concurrent use.
type Workers struct {
	most    int
	running sync.WaitGroup

	mu      sync.Mutex
	idle    []chan Job // of the workers that wait for a job
	stopped bool
}

// NewWorkers returns workers of which at most most are kept while there is nothing
// to do.
func NewWorkers(most int) *Workers { return &Workers{most: most} }

// Do has a job done, and what it returns, and does not wait for it.
func (w *Workers) Do(job Job) {
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

func (w *Workers) work(job Job) {
	next := make(chan Job, 1)
	for ok := true; ok; {
		for job != nil {
			job = job()
		}
		if !w.wait(next) {
			return
		}
		job, ok = <-next
	}
}

// wait has a worker wait for a job. It reports false when the worker is not needed.
func (w *Workers) wait(next chan Job) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped || len(w.idle) == w.most {
		return false
	}
	w.idle = append(w.idle, next)
	return true
}

// Stop waits until all jobs are done.
func (w *Workers) Stop() {
	w.mu.Lock()
	w.stopped = true
	for _, next := range w.idle {
		close(next)
	}
	w.idle = nil
	w.mu.Unlock()
	w.running.Wait()
}
