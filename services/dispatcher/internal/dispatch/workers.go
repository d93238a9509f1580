package dispatch

import "sync"

// workers are goroutines that each do one job after the other. A new goroutine's
// stack would have to grow again for each job, which took a tenth of all the time.
// There are as many as there are jobs; at most cap(idle) are kept for jobs to come.
type workers struct {
	next    chan func()
	idle    chan struct{} // a token for each worker that waits for a job
	jobs    sync.WaitGroup
	running sync.WaitGroup
}

func newWorkers(idle int) *workers {
	return &workers{next: make(chan func()), idle: make(chan struct{}, idle)}
}

// do has a job done and does not wait for it.
func (w *workers) do(job func()) {
	w.jobs.Add(1)
	select {
	case w.next <- job:
	default:
		w.running.Go(func() { w.work(job) })
	}
}

func (w *workers) work(job func()) {
	for ok := true; ok; {
		job()
		w.jobs.Done()
		select {
		case w.idle <- struct{}{}:
		default:
			return
		}
		job, ok = <-w.next
		<-w.idle
	}
}

// stop waits until all jobs are done. No job may be given to the workers after it.
func (w *workers) stop() {
	w.jobs.Wait()
	close(w.next)
	w.running.Wait()
}
