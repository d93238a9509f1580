package queue

import (
	"context"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// source is where the messages of a webhook's queue come from: a lane or an ordered
// place.
type source interface {
	// streamName returns the name of the stream that keeps the queue.
	streamName() string

	// mode returns how the queue of a webhook is read at a time. w is nil when the
	// webhook no longer exists.
	mode(w *webhook.Webhook, now time.Time) mode

	// inFlight returns how many deliveries of a webhook may be in flight at once.
	inFlight(w *webhook.Webhook) int

	// open opens the queue for reading: inFlight of its deliveries at once; until
	// pauses it on the server, for every replica, zero not.
	open(ctx context.Context, w *webhook.Webhook, inFlight int, until time.Time) (*stream.Lane, error)

	// park has the server hand nothing out until the queue is opened again.
	park(ctx context.Context, webhookID string) error

	// remove removes the queue of a webhook that no longer exists. It reports
	// false when the webhook exists after all.
	remove(ctx context.Context, r *reader) (bool, error)

	// progress returns what is recorded of a delivery.
	progress(ctx context.Context, h held) (delivery.Progress, error)

	// settle does what was decided after an attempt, and reports whether the message
	// is done with. The zero Decision is that of an attempt of which nothing is known
	// to be recorded.
	settle(ctx context.Context, r *reader, h held, d delivery.Decision) bool
}

// held is a delivery off the queue.
type held struct {
	delivery delivery.Delivery
	message  *stream.Message
	probes   bool             // it was taken to try the endpoint after a hold; one that was taken before the hold is no probe
	webhook  *webhook.Webhook // after the attempt; nil when it is not known
	attempts int              // made of the delivery
}
