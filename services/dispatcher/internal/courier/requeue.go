package courier

import (
	"context"
	"fmt"
	"sync"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
)

// Test records the attempt of a test that the caller has made, and tells what
// it changed: its success ends a hold.
func (c *Courier) Test(ctx context.Context, t *match.Target, d delivery.Delivery, a delivery.Attempt) error {
	c.Observer.Attempted(t, d, a)
	_, err := c.record(ctx, a)
	return err
}

// Requeue has put place deliveries in their lane, one after the other, and
// records for each that it waits there, and why. Some may be in the lane when
// it returns an error.
func (c *Courier) Requeue(ctx context.Context, t *match.Target, ds []delivery.Delivery, why string, put func(delivery.Delivery) error) error {
	// The entries are made before the deliveries can be sent: the log goes by
	// the time at which an entry ended.
	entries := make([]delivery.Attempt, 0, len(ds))
	for _, d := range ds {
		entries = append(entries, c.Maker.Decline(t, d, delivery.Deferred, why))
	}
	for _, d := range ds {
		if err := put(d); err != nil {
			return fmt.Errorf("queue delivery %s again: %w", d.ID, err)
		}
	}
	return c.recordAll(ctx, entries)
}

// recordAll records entries together, so that they share a transaction.
func (c *Courier) recordAll(ctx context.Context, entries []delivery.Attempt) error {
	var (
		all   sync.WaitGroup
		mu    sync.Mutex
		first error
	)
	for _, a := range entries {
		all.Go(func() {
			if _, err := c.record(ctx, a); err != nil {
				mu.Lock()
				defer mu.Unlock()
				if first == nil {
					first = err
				}
			}
		})
	}
	all.Wait()
	return first
}
