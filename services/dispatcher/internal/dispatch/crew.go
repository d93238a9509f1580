package dispatch

import (
	"sync"

	"github.com/dialnote/webhooks/pkg/stream"
)

// crew sees messages through, each in a goroutine of its own for as long as that
// takes. Whoever has done with one waits for the next: a new goroutine's stack
// would have to grow anew for each, which took a tenth of all the time. There are
// never more of them than slots and outcomes to be recorded: a slot is given back
// when the request has ended.
type crew struct {
	handle func(*stream.Message)
	next   chan *stream.Message
	all    sync.WaitGroup
}

func newCrew(handle func(*stream.Message)) *crew {
	return &crew{handle: handle, next: make(chan *stream.Message)}
}

// take has a message seen through and does not wait for it.
func (c *crew) take(m *stream.Message) {
	select {
	case c.next <- m:
	default:
		c.all.Go(func() { c.serve(m) })
	}
}

func (c *crew) serve(m *stream.Message) {
	for ok := true; ok; m, ok = <-c.next {
		c.handle(m)
	}
}

// dismiss waits for the messages under way. Nothing may be taken any more.
func (c *crew) dismiss() {
	close(c.next)
	c.all.Wait()
}
