package dispatch

import (
	"sync"

	"github.com/dialnote/webhooks/services/dispatcher/internal/inflight"
)

// crew does what takes its time, each thing in a goroutine of its own. Whoever has
// done with one waits for the next: a new goroutine's stack would have to grow
// anew for each, which took a tenth of all the time. There are never many more of
// them than slots: what waits for its turn, or for its record, needs none.
type crew struct {
	next    chan job
	jobs    sync.WaitGroup
	members sync.WaitGroup
}

// job is something to do, and what it leads to.
type job func() inflight.Next

func newCrew() *crew { return &crew{next: make(chan job)} }

// take has something done and does not wait for it.
func (c *crew) take(j job) {
	c.jobs.Add(1)
	select {
	case c.next <- j:
	default:
		c.members.Go(func() { c.serve(j) })
	}
}

func (c *crew) serve(j job) {
	for ok := true; ok; j, ok = <-c.next {
		j().Run()
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
