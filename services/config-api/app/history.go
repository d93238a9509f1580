package app

import (
	"context"
	"fmt"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/stream"
)

// Test has a dispatcher make a test; see stream.Conn.Test.
func (q *Queue) Test(ctx context.Context, organizationID, webhookID string, e event.Event) (delivery.Trial, error) {
	return q.conn.Test(ctx, stream.TestCall{OrganizationID: organizationID, WebhookID: webhookID, Event: e.Body()})
}

// Event returns the event with a sequence and when it was accepted; see
// stream.Conn.Event.
func (q *Queue) Event(ctx context.Context, sequence uint64) (event.Event, time.Time, error) {
	m, err := q.conn.Event(ctx, sequence)
	if err != nil {
		return event.Event{}, time.Time{}, err
	}
	e, err := m.Event()
	if err != nil {
		return event.Event{}, time.Time{}, fmt.Errorf("read event %d: %w", sequence, err)
	}
	return e, m.Stored, nil
}

// CountEvents counts events by the time at which they were accepted.
func (q *Queue) CountEvents(ctx context.Context, organizationID string, t event.Type, since, until time.Time) (int64, error) {
	return q.conn.CountHistory(ctx, stream.Span{OrganizationID: organizationID, Type: t, Since: since}, until)
}

// Requeue puts a delivery into its lane again; see stream.Conn.Requeue.
func (q *Queue) Requeue(ctx context.Context, d delivery.Delivery, request string) error {
	return q.conn.Requeue(ctx, d, request)
}
