package app

import (
	"context"

	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// WatchActivity hears of an organization; see stream.Conn.WatchActivity.
func (q *Queue) WatchActivity(ctx context.Context, organizationID string, hear func(stream.Activity)) (stop func(), err error) {
	return q.conn.WatchActivity(ctx, organizationID, hear)
}

// Gaps tells when something may not have been heard; see stream.Conn.Gaps.
func (q *Queue) Gaps(ctx context.Context, missed func()) error { return q.conn.Gaps(ctx, missed) }

// Notify stores a notice for the platform; see stream.Conn.Notify.
func (q *Queue) Notify(ctx context.Context, n webhook.Notice) error { return q.conn.Notify(ctx, n) }
