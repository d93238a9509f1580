package stream

import (
	"fmt"
	"time"

	"github.com/dialnote/webhooks/pkg/fault"
)

// failedKept is for how long a message that the server could not store makes the
// connection not ready, unless a later one is stored. After it a caller may try.
const failedKept = 10 * time.Second

// failedWrite is a message that the server could not store although it answered: its
// disk is full, or was. A stream that could not be written once stays so until the
// server is started again (nats-server 2.15), and everything else goes on as if
// nothing had happened.
type failedWrite struct {
	at    time.Time
	cause error
}

// noteWrite keeps the result of storing a message.
func (c *Conn) noteWrite(err error, now time.Time) {
	switch {
	case err == nil:
		if c.failed.Load() != nil {
			c.failed.Store(nil)
		}
	case fault.Is(err, fault.Unavailable) && !IsFull(err) && c.nc.IsConnected():
		c.failed.Store(&failedWrite{at: now, cause: err})
	}
}

// writable returns a fault of kind Unavailable when the last message that was to be
// stored was not, a moment ago.
func (c *Conn) writable(now time.Time) error {
	failed := c.failed.Load()
	if failed == nil || now.Sub(failed.at) >= failedKept {
		return nil
	}
	return fault.New(fault.Unavailable, "broker-unavailable", "The NATS server does not store messages.").
		Because(fmt.Errorf("is its disk full? when there is room again it has to be started again: %w", failed.cause))
}
