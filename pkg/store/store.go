// Package store is the storage port: what the services keep, and what each
// operation promises. The adapters are in postgres and sqlite; both pass the
// suite in storetest.
//
// Errors: a *fault.Error of kind NotFound, Conflict or Stale where a method
// says so; fault.Unavailable when the database is away, or refuses for any reason
// but what is in a row: the same call may succeed later; the context's error,
// wrapped, when the context ended first; anything else is internal.
package store

import (
	"context"
	"errors"
	"time"

	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// ErrNewerDatabase is an adapter's error on opening when a newer program has
// migrated the database to a schema that does not serve this one; see Schema.
var ErrNewerDatabase = errors.New("the database was migrated by a newer version of this program and no longer serves this one: run that version")

// Times are kept in UTC and whole microseconds (delivery.Resolution).
//
// A method that takes an actor, by, writes to the audit log what was changed
// and by whom, in the transaction that changes it; see Audit.

// PageBytes is about how much a page of webhooks, of a delivery's attempts or of
// the audit log holds at the most. A page that has so much ends there, with a cursor
// to go on from.
const PageBytes = 256 << 10

// Page asks for a page of a list, newest first.
type Page struct {
	Limit int    // how many rows at most; below 1 counts as 1
	After string // the cursor that came with the page before, "" for the start
}

// Webhooks keeps webhooks with their health.
type Webhooks interface {
	// Create inserts w. It returns a Conflict when the organization already has
	// limit webhooks; the count and the insert are atomic.
	Create(ctx context.Context, by audit.Actor, w webhook.Webhook, limit int) error

	// Subscribe is Create, unless the organization has a webhook of w's provider,
	// URL and event: then that one is returned, as it is, else w. However many
	// subscribe at once, one webhook is inserted.
	Subscribe(ctx context.Context, by audit.Actor, w webhook.Webhook, limit int) (webhook.Webhook, error)

	// Get returns an organization's webhook, or NotFound: also for another
	// organization's.
	Get(ctx context.Context, organizationID, id string) (webhook.Webhook, error)

	// List returns a page of an organization's webhooks, newest first, and the
	// cursor of the next page, "" at the end. PageBytes bounds it. A cursor stays good when webhooks
	// come and go. It returns Invalid for a cursor that List has not made.
	List(ctx context.Context, organizationID string, page Page) ([]webhook.Webhook, string, error)

	// All returns every webhook of an organization, for matching.
	All(ctx context.Context, organizationID string) ([]webhook.Webhook, error)

	// AllOf returns every webhook of each of the organizations. One without a webhook is
	// not in the map.
	AllOf(ctx context.Context, organizationIDs []string) (map[string][]webhook.Webhook, error)

	// Update reads the webhook under a lock, applies change, and writes the
	// result with Version raised by one. It returns NotFound, Stale when
	// version is not 0 and not the current one, or change's error, and then
	// nothing has changed. change may be called more than once. What it does to
	// the id, the organization, the secret, CreatedAt and Version is ignored.
	Update(ctx context.Context, by audit.Actor, organizationID, id string, version int64, change func(webhook.Webhook) (webhook.Webhook, error)) (webhook.Webhook, error)

	// Delete removes a webhook and what is kept of it. It returns NotFound, or
	// Stale as Update does. The log is removed in the background by Prune.
	Delete(ctx context.Context, by audit.Actor, organizationID, id string, version int64) (webhook.Webhook, error)
}

// Deliveries keeps the log of attempts and what they did to webhooks' health.
type Deliveries interface {
	// Record writes a batch of attempts in one transaction. It locks the
	// webhooks of the batch in id order, folds the attempts into their health
	// with delivery.Decide in the order given, writes the health and the
	// attempts with their decisions, and returns a Step for each, in order; their
	// webhooks have neither secret nor headers. It gives the attempts the form in
	// which they are kept. An automatic disabling raises Version by one; Action
	// Remove deletes the webhook. The same attempts may be recorded again when an
	// earlier call's answer was lost: the log keeps one of each, and no failure
	// counts twice.
	Record(ctx context.Context, policy delivery.Policy, attempts []delivery.Attempt) ([]delivery.Step, error)

	// Progress returns what is recorded of each of the deliveries, as far as it
	// began within the range, which bounds what has to be read. A delivery
	// without any recorded attempt is not in the map. Tests are not counted.
	Progress(ctx context.Context, deliveryIDs []string, within delivery.TimeRange) (map[string]delivery.Progress, error)

	// Attempts returns what is recorded of one delivery, oldest first, or
	// NotFound: also for another organization's or a deleted webhook's.
	Attempts(ctx context.Context, organizationID, webhookID, deliveryID string) ([]LoggedAttempt, error)
}

// LoggedAttempt is an attempt as the log keeps it, with what was decided then.
type LoggedAttempt struct {
	delivery.Attempt // Outcome.Cause is not kept

	Status delivery.Status // of the delivery after this attempt
	NextAt time.Time       // when the next was due, zero when none was set
}

// IdempotentAnswer is the stored answer to a request that was made with an
// Idempotency-Key.
type IdempotentAnswer struct {
	Fingerprint []byte // hash of the request it answered
	Status      int    // 0 while the first request is still being handled
	Header      map[string]string
	Body        []byte // sealed at rest by the adapter: it may hold a secret

	// About is the webhook or API key whose secret the body holds, "" for none. When
	// that is deleted or revoked, the body is removed.
	About string

	// Removed is set when the body was.
	Removed bool
}

// Idempotency keeps answers for requests that may be sent twice.
type Idempotency interface {
	// Begin claims key for a request with this fingerprint. It returns nil when
	// the claim is new (or the old one is older than expiry), and the stored
	// claim otherwise.
	Begin(ctx context.Context, key string, fingerprint []byte, now time.Time, expiry time.Duration) (*IdempotentAnswer, error)

	// Finish stores the answer of a claimed key. It returns NotFound when the
	// claim is gone, because it was abandoned or pruned.
	Finish(ctx context.Context, key string, answer IdempotentAnswer) error

	// Abandon drops a claim whose request failed, so that it can be made again.
	// A claim that was already finished stays.
	Abandon(ctx context.Context, key string) error
}

// Maintenance is due when a dispatcher starts, and about every hour from then on.
type Maintenance interface {
	// Prune removes what is older than keep says, expired portal links and
	// sessions, and the log of deleted webhooks, in steps small enough not to
	// slow deliveries; it also prepares the log for the coming days. Several
	// replicas may call it at once. After an error the next call does the rest. now is
	// the database's time: with a replica's own, a clock that is days ahead would
	// remove what is young.
	Prune(ctx context.Context, now time.Time, keep Retention) error
}

// Store is everything an adapter provides. Consumers take the part they need.
type Store interface {
	Webhooks
	Deliveries
	Log
	Idempotency
	Recoveries
	Waiting
	Usage
	Notices
	Access
	Audit
	Sealed
	Maintenance
	LogSize
	Operators
	Clocks
	Pooled

	// Ping reports whether the database answers.
	Ping(ctx context.Context) error

	// Writable reports whether the database does what recording an attempt needs:
	// nil, or Unavailable. It needs the current schema.
	Writable(ctx context.Context) error

	// Close closes the connections.
	Close() error
}
