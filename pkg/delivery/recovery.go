package delivery

import (
	"time"

	"github.com/dialnote/webhooks/pkg/event"
)

// RecoveryStatus says where a recovery stands.
type RecoveryStatus string

// The states of a recovery. All but RecoveryRunning are final.
const (
	RecoveryRunning   RecoveryStatus = "running"
	RecoveryDone      RecoveryStatus = "done"
	RecoveryCancelled RecoveryStatus = "cancelled"
	RecoveryFailed    RecoveryStatus = "failed" // Message says why
)

// Recovery is a job that delivers what a webhook missed (specification,
// section 7). It examines the events of one type that were accepted from Since
// on and before Until, in order, and puts those that the webhook missed into
// its lane.
type Recovery struct {
	ID             string // "rec_" and a ULID
	OrganizationID string
	WebhookID      string
	EventType      event.Type // what the webhook sent when the job was made
	Since, Until   time.Time
	DryRun         bool // only counts
	Status         RecoveryStatus
	Message        string // why it failed, in plain words
	Total          int64  // events to examine, as counted when the job was made
	Examined       int64
	Queued         int64  // deliveries put into the lane, or in a dry run those that would have been
	Position       uint64 // the last event examined, as its sequence in the event stream; 0 before the first
	CreatedAt      time.Time
	EndedAt        time.Time // zero while running
}

// End returns r as it is when it ends at a time; message is why it failed, ""
// when it did not.
func (r Recovery) End(status RecoveryStatus, message string, at time.Time) Recovery {
	r.Status, r.Message, r.EndedAt = status, message, at
	return r
}

// Standing is a delivery's state in the log, and how many requests were made for
// it. The zero Standing is that of a delivery that the log does not have.
type Standing struct {
	Status   Status
	Attempts int
}

// Missed reports whether a recovery must deliver it: when it was given up, not
// sent, or is not in the log. A delivery that is held or retried will be sent
// anyway.
func (s Standing) Missed() bool {
	switch s.Status {
	case StatusDelivered, StatusRetrying, StatusHeld:
		return false
	case StatusFailed, StatusSkipped:
		return true
	}
	return true
}
