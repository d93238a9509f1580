package store

import (
	"context"
	"time"

	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/delivery"
)

// Recoveries keeps the jobs that deliver what webhooks missed. The replica that
// holds a job's lease works on it, a batch at a time; its progress is one row, so
// that a batch counts once or not at all.
type Recoveries interface {
	// CreateRecovery inserts r. It returns NotFound when the organization does
	// not have the webhook, and a Conflict while another recovery of the
	// webhook is running; dry runs and others are counted apart.
	CreateRecovery(ctx context.Context, by audit.Actor, r delivery.Recovery) error

	// GetRecovery returns a recovery, or NotFound: also for another
	// organization's or webhook's. Those of a deleted webhook are gone.
	GetRecovery(ctx context.Context, organizationID, webhookID, id string) (delivery.Recovery, error)

	// ListRecoveries returns the last recoveries of a webhook, newest first, at
	// most so many: none for another organization's webhook.
	ListRecoveries(ctx context.Context, organizationID, webhookID string, limit int) ([]delivery.Recovery, error)

	// CancelRecovery ends a recovery as cancelled. One that has ended stays as
	// it is. It returns NotFound as GetRecovery does.
	CancelRecovery(ctx context.Context, by audit.Actor, organizationID, webhookID, id string, now time.Time) error

	// ClaimRecovery gives holder the lease of the running recovery that waited
	// longest, until now+lease. ok is false when there is none without a lease.
	ClaimRecovery(ctx context.Context, holder string, now time.Time, lease time.Duration) (r delivery.Recovery, ok bool, err error)

	// AdvanceRecovery writes r's progress and ends its lease. It reports false,
	// and has written nothing, when the recovery is no longer running or no longer
	// holder's: then the work since the claim is not counted.
	AdvanceRecovery(ctx context.Context, holder string, r delivery.Recovery, now time.Time) (bool, error)

	// Standings returns the state of each of the deliveries. A delivery that the
	// log does not have is not in the map. Tests do not count.
	Standings(ctx context.Context, deliveryIDs []string) (map[string]delivery.Standing, error)
}
