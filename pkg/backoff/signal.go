package backoff

import (
	"context"
	"time"
)

// Signal wakes one goroutine that sleeps with it. A signal that is sent while no
// goroutine sleeps is kept and ends the next Sleep at once; more than one are kept
// as one.
type Signal chan struct{}

// NewSignal returns a signal that is not set.
func NewSignal() Signal { return make(Signal, 1) }

// Set sends the signal. It does not block.
func (s Signal) Set() {
	select {
	case s <- struct{}{}:
	default:
	}
}

// Sleep waits for d, the signal, or the end of ctx, and reports whether the signal
// came.
func (s Signal) Sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-s:
		return true
	case <-t.C:
	case <-ctx.Done():
	}
	return false
}
