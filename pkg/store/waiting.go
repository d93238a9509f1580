package store

import (
	"context"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
)

// Waiting keeps what waits for its webhook: a reference to the event for each
// delivery. Record writes and removes them with the outcome that says so
// (delivery.Attempt.Waits). The replica that holds a webhook's lease reads what
// waits for it.
type Waiting interface {
	// ClaimWaiting gives holder the leases that c asks for.
	ClaimWaiting(ctx context.Context, holder string, c WaitingClaim) ([]WaitingWebhook, error)

	// RenewWaiting extends holder's leases of webhooks and returns the ids of those
	// that it still has.
	RenewWaiting(ctx context.Context, holder string, webhookIDs []string, until time.Time) ([]string, error)

	// LeaveWaiting ends holder's lease of a webhook for which deliveries may wait.
	LeaveWaiting(ctx context.Context, holder, webhookID string) error

	// FinishWaiting ends holder's lease of a webhook for which nothing waits. It reports
	// false, and changes nothing, while deliveries wait.
	FinishWaiting(ctx context.Context, holder, webhookID string) (bool, error)

	// ReadWaiting returns the next n deliveries that wait for a webhook, after the
	// event with a sequence, in the order of their events.
	ReadWaiting(ctx context.Context, webhookID string, after uint64, n int) ([]WaitingDelivery, error)

	// CountWaiting returns how many deliveries wait for each of the webhooks. One for
	// which none wait is not in the map.
	CountWaiting(ctx context.Context, webhookIDs []string) (map[string]int64, error)

	// TotalWaiting returns how many deliveries wait in all.
	TotalWaiting(ctx context.Context) (int64, error)

	// ForgetWaiting removes one delivery that waits, by its event's sequence.
	ForgetWaiting(ctx context.Context, webhookID string, sequence uint64) error

	// DropWaiting removes all deliveries that wait for a webhook.
	DropWaiting(ctx context.Context, webhookID string) error
}

// WaitingClaim asks for the leases of webhooks for which deliveries wait that may be
// tried now: those that are not disabled automatically, whose hold has passed, and
// whose lease no replica has.
type WaitingClaim struct {
	Now    time.Time
	Until  time.Time // the end of the leases
	RunOut time.Time // leases that ended then or earlier are free; zero for none
	AtOnce int       // how many, at most
}

// WaitingWebhook is a webhook for which deliveries wait.
type WaitingWebhook struct{ OrganizationID, WebhookID string }

// WaitingDelivery is a delivery that waits. Its Delivery has neither organization
// nor body.
type WaitingDelivery = delivery.Delivery
