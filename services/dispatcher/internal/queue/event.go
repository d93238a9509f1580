package queue

import (
	"context"
	"fmt"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
)

// readEvent reads the event of a delivery, and gives the delivery its body. kept is
// false when the stream no longer keeps the event: the event is older than the
// retention, an operator purged it, or the stream was deleted and made again.
func (p *Parts) readEvent(ctx context.Context, of *delivery.Delivery) (m *stream.Message, kept bool, err error) {
	m, err = p.Stream.Event(ctx, of.EventSequence)
	if fault.Is(err, fault.NotFound) {
		return &stream.Message{}, false, nil
	}
	if err != nil {
		return &stream.Message{}, false, fmt.Errorf("read event %s: %w", of.EventID, err)
	}
	e, err := m.Event()
	if err != nil || e.OrganizationID != of.OrganizationID || e.ID != of.EventID {
		return m, false, nil //nolint:nilerr // it is not the event that was there
	}
	of.Body = e.Body()
	return m, true, nil
}

// skip has it recorded that the event of a delivery is no longer kept, unless the
// delivery is done with.
func (p *Parts) skip(ctx context.Context, t *match.Target, turn delivery.Turn) error {
	if t == nil {
		return nil
	}
	turn.Webhook = &t.Webhook
	if delivery.Plan(turn, p.Now()).Step == delivery.PlanDone {
		return nil
	}
	const gone = "The event is no longer kept, so it cannot be delivered."
	recorded := make(chan error, 1)
	p.Deliverer.Decline(ctx, t, turn.Delivery, delivery.Skipped, gone, func(_ delivery.Step, err error) { recorded <- err })
	select {
	case err := <-recorded:
		return err
	case <-ctx.Done():
		return fmt.Errorf("record that delivery %s is skipped: %w", turn.Delivery.ID, context.Cause(ctx))
	}
}
