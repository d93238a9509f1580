package app

import (
	"context"
	"fmt"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// Test has a dispatcher make a test; see stream.Conn.Test.
func (q *Queue) Test(ctx context.Context, organizationID, webhookID string, e event.Event) (delivery.TestResult, error) {
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
	return q.conn.CountHistory(ctx, stream.EventRange{OrganizationID: organizationID, Type: t, Since: since}, until)
}

// Latest returns the last events of a type; see stream.Conn.Latest. One that
// cannot be read is passed over.
func (q *Queue) Latest(ctx context.Context, organizationID string, t event.Type, n int) ([]event.Event, error) {
	messages, err := q.conn.Latest(ctx, organizationID, t, n)
	if err != nil {
		return nil, err
	}
	events := make([]event.Event, 0, len(messages))
	for _, m := range messages {
		if e, err := m.Event(); err == nil {
			events = append(events, e)
		}
	}
	return events, nil
}

// Follow follows an organization's events; see stream.Conn.Follow. One that
// cannot be read is passed over.
func (q *Queue) Follow(ctx context.Context, organizationID string, t event.Type, after uint64, handle func(event.Event, uint64) error) error {
	return q.conn.Follow(ctx, organizationID, t, after, func(m *stream.Message) error {
		e, err := m.Event()
		if err != nil {
			return nil //nolint:nilerr // the dispatcher puts it where it is seen
		}
		return handle(e, m.Sequence)
	})
}

// PublishUnsubscribeRequest has a dispatcher tell Zapier; see stream.Conn.PublishUnsubscribeRequest.
func (q *Queue) PublishUnsubscribeRequest(ctx context.Context, w webhook.Webhook) error {
	return q.conn.PublishUnsubscribeRequest(ctx, stream.UnsubscribeRequest{OrganizationID: w.OrganizationID, WebhookID: w.ID, URL: w.URL})
}

// Requeue puts a delivery into its lane again; see stream.Conn.Requeue.
func (q *Queue) Requeue(ctx context.Context, d delivery.Delivery, request string) error {
	return q.conn.Requeue(ctx, d, request)
}
