package deliver

import (
	"context"
	"fmt"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
	"github.com/dialnote/webhooks/services/dispatcher/internal/record"
)

// Requeue puts deliveries into their lane with put, one after the other, and
// records of each that it waits there, and why. Some may be in the lane when it
// returns an error.
func (d *Deliverer) Requeue(ctx context.Context, t *match.Target, all []delivery.Delivery, why string, put func(delivery.Delivery) error) error {
	// The entries are made before the deliveries can be sent: the log goes by
	// the time at which an entry ended.
	entries := make([]delivery.Attempt, 0, len(all))
	for _, one := range all {
		entries = append(entries, decline(t, one, delivery.Deferred, why, d.Now()))
	}
	for _, one := range all {
		if err := put(one); err != nil {
			return fmt.Errorf("queue delivery %s again: %w", one.ID, err)
		}
	}
	answers := make([]record.Answer, len(entries)) // all are waited for together, so that they share a transaction
	for i := range entries {
		answers[i] = record.NewAnswer()
		d.record(ctx, &entries[i], answers[i].Recorded)
	}
	for _, answer := range answers {
		if _, err := answer.Wait(ctx); err != nil {
			return fmt.Errorf("record deliveries that were queued again: %w", err)
		}
	}
	return nil
}
