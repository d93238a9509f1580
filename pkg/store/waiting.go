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

	// LeaveWaiting ends holder's leases of webhooks for which deliveries may wait.
	LeaveWaiting(ctx context.Context, holder string, webhookIDs []string) error

	// FinishWaiting ends holder's leases of those of the webhooks for which nothing
	// waits, and returns their ids.
	FinishWaiting(ctx context.Context, holder string, webhookIDs []string) ([]string, error)

	// ReadWaiting returns for each webhook the first deliveries that wait for it, in the
	// order of their events. A webhook for which none wait is not in the map.
	ReadWaiting(ctx context.Context, of []WaitingRead) (map[string][]WaitingDelivery, error)

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

// WaitingRead asks for the first deliveries that wait for a webhook, AtMost so many.
type WaitingRead struct {
	WebhookID string
	AtMost    int
}

// WaitingWebhook is a webhook for which deliveries wait.
type WaitingWebhook struct{ OrganizationID, WebhookID string }

// WaitingDelivery is a delivery that waits. Its Delivery has neither organization
// nor body.
type WaitingDelivery = delivery.Delivery
