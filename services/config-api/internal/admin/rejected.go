package admin

import (
	"context"
	"fmt"

	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/stream"
)

// EachRejected calls do for each rejected message of a range, in order, until it
// returns an error.
func (o *Operator) EachRejected(ctx context.Context, s stream.RejectedRange, do func(stream.Rejected) error) error {
	for {
		some, err := o.Rejected.Rejected(ctx, s, page)
		if err != nil {
			return fmt.Errorf("read rejected messages: %w", err)
		}
		for _, r := range some {
			if err := do(r); err != nil {
				return err
			}
			s.After = r.Sequence
		}
		if len(some) < page {
			return nil
		}
	}
}

// Requeue publishes the event of a rejected message as if it had just been
// published, and removes the message: for messages that an older version did not
// understand. It returns NotFound, or the fault that the message still has; then
// the message stays.
func (o *Operator) Requeue(ctx context.Context, sequence uint64) (event.Event, error) {
	r, err := o.Rejected.RejectedAt(ctx, sequence)
	if err != nil {
		return event.Event{}, err
	}
	e, err := r.Message.Published()
	if err != nil {
		return event.Event{}, fmt.Errorf("rejected message %d still cannot be understood: %w", sequence, err)
	}
	entry := audit.Requeued(o.By, e.OrganizationID, e.ID, delivery.Recordable(o.Manage.Now()))
	if err := o.Manage.Audit.AddEntry(ctx, entry); err != nil {
		return event.Event{}, fmt.Errorf("note that event %s is published again: %w", e.ID, err)
	}
	if err := o.Manage.Stream.Publish(ctx, e); err != nil {
		return event.Event{}, fmt.Errorf("requeue message %d: %w", sequence, err)
	}
	if err := o.Rejected.RemoveRejected(ctx, sequence); err != nil {
		return e, fmt.Errorf("event %s is published, but its rejected message is still there: %w", e.ID, err)
	}
	return e, nil
}
