package receiver

import (
	"context"
	"fmt"
	"iter"
)

// Wait returns when done reports true. It asks at once and again after every
// arrival and every ended answer. When ctx ends first it returns an error that
// wraps the context's cause.
func (r *Receiver) Wait(ctx context.Context, done func() bool) error {
	for {
		changed := r.record.nextChange()
		if done() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for the receiver: %w", context.Cause(ctx))
		}
	}
}

// WaitCount returns when at least n requests have come to path, or in all when
// path is "". When ctx ends first its error says how many came.
func (r *Receiver) WaitCount(ctx context.Context, path string, n uint64) error {
	err := r.Wait(ctx, func() bool { return r.Counts(path).Requests >= n })
	if err != nil {
		return fmt.Errorf("%d of %d requests at %q: %w", r.Counts(path).Requests, n, path, err)
	}
	return nil
}

// WaitRequest returns the first kept or coming request that match accepts. When
// ctx ends first it returns an error that wraps the context's cause.
func (r *Receiver) WaitRequest(ctx context.Context, match func(Request) bool) (Request, error) {
	var found Request
	var last uint64
	err := r.Wait(ctx, func() bool {
		for _, request := range r.record.since(last) {
			last = request.Number
			if match(request) {
				found = request
				return true
			}
		}
		return false
	})
	return found, err
}

// Delivery returns how often a delivery id came in.
func (r *Receiver) Delivery(id string) Seen { return r.record.seen(r.record.deliverySet, id) }

// Event returns how often an event id came in, over all webhooks.
func (r *Receiver) Event(id string) Seen { return r.record.seen(r.record.eventSet, id) }

// Missing yields those of the event ids that no request answered with 2xx has
// named.
func (r *Receiver) Missing(eventIDs iter.Seq[string]) iter.Seq[string] {
	return func(yield func(string) bool) {
		for id := range eventIDs {
			if r.Event(id).Accepted == 0 && !yield(id) {
				return
			}
		}
	}
}
