package app

import (
	"context"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// Queue is the config API's side of NATS: it is its Changes, Held, Publisher,
// Tester, History, Unsubscriber, Activity and Notices.
type Queue struct {
	conn  *stream.Conn
	fleet *stream.Fleet
}

// NewQueue returns the queue over a connection and the dispatchers heard on it.
// Closing them is left to the caller.
func NewQueue(conn *stream.Conn, fleet *stream.Fleet) *Queue {
	return &Queue{conn: conn, fleet: fleet}
}

// Publish stores an event; see stream.Conn.Publish.
func (q *Queue) Publish(ctx context.Context, e event.Event) error {
	return q.conn.Publish(ctx, e)
}

// Announce tells the dispatchers of a change; see stream.Fleet.Announce.
func (q *Queue) Announce(ctx context.Context, organizationID, webhookID string, wait bool) error {
	change := stream.Change{OrganizationID: organizationID, WebhookID: webhookID}
	if wait {
		return q.fleet.Announce(ctx, change)
	}
	return q.conn.Announce(change)
}

// Discard removes the events that wait for a webhook.
func (q *Queue) Discard(ctx context.Context, webhookID string) error {
	return q.conn.Discard(ctx, webhookID)
}

// Next returns the event stream's next sequence.
func (q *Queue) Next(ctx context.Context) (uint64, error) { return q.conn.NextSequence(ctx) }

// Held counts the events that wait for each webhook.
func (q *Queue) Held(ctx context.Context, ws []webhook.Webhook) (map[string]int64, error) {
	return q.conn.HeldEach(ctx, ws)
}
