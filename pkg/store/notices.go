package store

import (
	"context"

	"github.com/dialnote/webhooks/pkg/webhook"
)

// Notices is the outbox of notices to the platform. Update, Delete, Record, and
// the end of a recovery put a notice into it in the transaction that makes the
// change (webhook.Transition, webhook.Deleted, webhook.Recovered). When the process
// dies right after that, another sends the notice.
type Notices interface {
	// AddNotice puts a notice into the outbox, as the other methods do. One that is
	// there already stays as it is.
	AddNotice(ctx context.Context, n webhook.Notice) error

	// PendingNotices returns at most limit notices, oldest first; of one webhook
	// in the order of its changes.
	PendingNotices(ctx context.Context, limit int) ([]webhook.Notice, error)

	// DropNotices removes the notices with these ids, which have been sent. One
	// that is not there is no error.
	DropNotices(ctx context.Context, ids []string) error
}
