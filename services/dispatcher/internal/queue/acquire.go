package queue

import (
	"context"
	"sync/atomic"

	"github.com/dialnote/webhooks/pkg/backoff"
	"github.com/dialnote/webhooks/services/dispatcher/internal/limit"
)

// acquire takes slots for as many more deliveries as a webhook has use for, room at
// most, when inFlight of them may be in flight and outstanding have a slot. It takes
// none, after a while or when wake is set, when there are too few to be worth a
// request, and waits while too many outcomes are unrecorded.
func (p *Parts) acquire(ctx context.Context, of limit.Of, wake backoff.Signal, inFlight int, outstanding *atomic.Int64, room int) (int, error) {
	const worth = 4 // a quarter of what may be held
	if err := p.Deliverer.WaitForCapacity(ctx); err != nil {
		return 0, err
	}
	has := int(outstanding.Load())
	window := p.Webhooks.Window(of, inFlight, has)
	more := min(window-has, room)
	switch {
	case window == 0:
		wake.Sleep(ctx, crowdedWait)
		return 0, nil
	case more < max(1, window/worth):
		wake.Sleep(ctx, pullWait)
		return 0, nil
	}
	return p.Slots.Acquire(ctx, more)
}
