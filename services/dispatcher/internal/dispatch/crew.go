package dispatch

import "sync"

// crew does what takes its time, each thing in a goroutine of its own. Whoever has
// done with one waits for the next: a new goroutine's stack would have to grow
// anew for each, which took a tenth of all the time. There are never many more of
// them than slots: what is left to do when a request has ended needs none.
type crew struct {
	next    chan func()
	jobs    sync.WaitGroup
	members sync.WaitGroup
}

func newCrew() *crew { return &crew{next: make(chan func())} }

// take has something done and does not wait for it.
func (c *crew) take(job func()) {
	c.jobs.Add(1)
	select {
	case c.next <- job:
	default:
		c.members.Go(func() { c.serve(job) })
	}
}

func (c *crew) serve(job func()) {
	for ok := true; ok; job, ok = <-c.next {
		job()
		c.jobs.Done()
	}
}

// dismiss waits for what is being done, and for what that leads to. Nothing else
// may be taken any more.
func (c *crew) dismiss() {
	c.jobs.Wait()
	close(c.next)
	c.members.Wait()
}
