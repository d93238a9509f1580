// Package store is the storage port: what the services keep, and what each
// operation promises. The adapters are in postgres and sqlite; both pass the
// suite in storetest.
//
// Errors: a *fault.Error of kind NotFound, Conflict or Stale where a method
// says so; fault.Unavailable when the database is away; anything else is
// internal.
package store

import (
	"context"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// Page asks for a page of a list, newest first.
type Page struct {
	Limit int    // how many rows at most
	After string // the cursor of the row before the page's first, "" for the start
}

// Webhooks keeps webhooks with their health.
type Webhooks interface {
	// Create inserts w. It returns a Conflict when the organization already has
	// limit webhooks; the count and the insert are atomic.
	Create(ctx context.Context, w webhook.Webhook, limit int) error

	// Get returns an organization's webhook, or NotFound: also for another
	// organization's.
	Get(ctx context.Context, organizationID, id string) (webhook.Webhook, error)

	// List returns a page of an organization's webhooks, newest first, and the
	// cursor of the next page, "" at the end.
	List(ctx context.Context, organizationID string, page Page) ([]webhook.Webhook, string, error)

	// All returns every webhook of an organization, for matching.
	All(ctx context.Context, organizationID string) ([]webhook.Webhook, error)

	// Update reads the webhook under a lock, applies change, and writes the
	// result with Version raised by one. It returns NotFound, Stale when
	// version is not 0 and not the current one, or change's error, and then
	// nothing has changed. change may be called more than once.
	Update(ctx context.Context, organizationID, id string, version int64, change func(webhook.Webhook) (webhook.Webhook, error)) (webhook.Webhook, error)

	// Delete removes a webhook and what is kept of it. It returns NotFound, or
	// Stale as Update does. The log is removed in the background by Prune.
	Delete(ctx context.Context, organizationID, id string, version int64) (webhook.Webhook, error)
}

// Recorded is what became of one attempt given to Record.
type Recorded struct {
	// Found is false when the webhook no longer exists: nothing was written.
	Found    bool
	Before   webhook.Webhook // with the health before this attempt
	After    webhook.Webhook // with the health after it
	Decision delivery.Decision
}

// Deliveries keeps the log of attempts and what they did to webhooks' health.
type Deliveries interface {
	// Record writes a batch of attempts in one transaction. It locks the
	// webhooks of the batch in id order, folds the attempts into their health
	// with delivery.Decide in the order given, writes the health and the
	// attempts with their decisions, and returns what became of each, in order.
	// An automatic disabling raises Version by one.
	Record(ctx context.Context, policy delivery.Policy, attempts []delivery.Attempt) ([]Recorded, error)

	// Progress returns what is recorded of each of the deliveries. A delivery
	// without any recorded attempt is not in the map. Tests are not counted.
	Progress(ctx context.Context, deliveryIDs []string) (map[string]delivery.Progress, error)
}

// IdempotentAnswer is the stored answer to a request that was made with an
// Idempotency-Key.
type IdempotentAnswer struct {
	Fingerprint []byte // hash of the request it answered
	Status      int    // 0 while the first request is still being handled
	Header      map[string]string
	Body        []byte // sealed at rest by the adapter: it may hold a secret
}

// Idempotency keeps answers for requests that may be sent twice.
type Idempotency interface {
	// Begin claims key for a request with this fingerprint. It returns nil when
	// the claim is new (or the old one is older than expiry), and the stored
	// claim otherwise.
	Begin(ctx context.Context, key string, fingerprint []byte, now time.Time, expiry time.Duration) (*IdempotentAnswer, error)

	// Finish stores the answer of a claimed key.
	Finish(ctx context.Context, key string, answer IdempotentAnswer) error

	// Abandon drops a claim whose request failed, so that it can be made again.
	Abandon(ctx context.Context, key string) error
}

// Store is everything an adapter provides. Consumers take the part they need.
type Store interface {
	Webhooks
	Deliveries
	Idempotency

	// Ping reports whether the database answers.
	Ping(ctx context.Context) error

	// Close closes the connections.
	Close() error
}
