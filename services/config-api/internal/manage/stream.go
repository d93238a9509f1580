package manage

import (
	"context"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// Stream is the part of stream.Conn that is needed here; stream.Conn says what
// each method promises.
type Stream interface {
	Publish(ctx context.Context, e event.Event) error
	Announce(change stream.Change) error

	NextSequence(ctx context.Context) (uint64, error)
	HeldEach(ctx context.Context, ws []webhook.Webhook) (map[string]int64, error)
	Discard(ctx context.Context, webhookID string) error
	Requeue(ctx context.Context, d delivery.Delivery, request string) error

	Event(ctx context.Context, sequence uint64) (*stream.Message, error)
	Latest(ctx context.Context, organizationID string, t event.Type, n int) ([]*stream.Message, error)
	CountHistory(ctx context.Context, events stream.EventRange, until time.Time) (int64, error)

	Test(ctx context.Context, call stream.TestCall) (delivery.TestResult, error)
	PublishUnsubscribeRequest(ctx context.Context, r stream.UnsubscribeRequest) error
}

// Fleet is the part of stream.Fleet that is needed here.
type Fleet interface {
	// Announce returns when no dispatcher acts on what it knew before a change.
	Announce(ctx context.Context, change stream.Change) error
}

func changeOf(w webhook.Webhook) stream.Change {
	return stream.Change{OrganizationID: w.OrganizationID, WebhookID: w.ID}
}
