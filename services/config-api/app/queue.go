package app

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// Queue is the config API's side of NATS: it is its Changes, Held, Publisher,
// Tester, History, Farewells, Activity and Notices.
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

// Held counts the events that wait for each webhook. Each count asks the
// server, so some are asked for at once.
func (q *Queue) Held(ctx context.Context, ws []webhook.Webhook) (map[string]int64, error) {
	const atOnce = 8
	var (
		mu   sync.Mutex
		wg   sync.WaitGroup
		errs []error
		held = make(map[string]int64, len(ws))
		free = make(chan struct{}, atOnce)
	)
	for _, w := range ws {
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			n, err := q.conn.Held(ctx, w)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
				return
			}
			held[w.ID] = n
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("count held events: %w", err)
	}
	return held, nil
}
