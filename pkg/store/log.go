package store

import (
	"context"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
)

// Log shows what is recorded of deliveries. The log is only added to: the
// state of a delivery is that of its row that ended last.
//
// Each method returns NotFound for another organization's or a deleted
// webhook.
type Log interface {
	// ListDeliveries returns a page of a webhook's deliveries, those with the
	// latest activity first, and the cursor of the next page, "" at the end.
	// Each delivery is there once, as it stands now. A page has fewer than its limit,
	// also none, when much else had to be looked at. A cursor stays good when
	// deliveries come; one that had new activity since the first page is then
	// before it. It returns Invalid for a cursor that it has not made.
	ListDeliveries(ctx context.Context, organizationID, webhookID string, filter DeliveryFilter, page Page) ([]LoggedDelivery, string, error)

	// GetDelivery returns a delivery with a page of its attempts, the last one first,
	// and the cursor of the next page, "" at the end. Decisions not to send are among
	// them. PageBytes bounds it. It returns Invalid for a cursor that it has not made.
	GetDelivery(ctx context.Context, organizationID, webhookID, deliveryID string, page Page) (LoggedDelivery, []LoggedAttempt, string, error)

	// Stats counts what began from the hour on in which since lies, until before the
	// whole hour until. Tests are not counted.
	Stats(ctx context.Context, organizationID, webhookID string, since, until time.Time) (Stats, error)

	// Activity counts, hour by hour, what began from the hour on in which since
	// lies, until before the whole hour until, of every webhook of an
	// organization. Tests are not counted. A webhook without outcomes is not in the
	// map.
	Activity(ctx context.Context, organizationID string, since, until time.Time) (map[string][]HourStats, error)

	// SkipHeld records that every delivery of a webhook that is held or waits
	// for a retry is skipped, and why, and returns how many were. It works in
	// steps: after an error, some may be recorded and the call may be repeated.
	SkipHeld(ctx context.Context, organizationID, webhookID string, now time.Time, message string) (int64, error)
}

// DeliveryFilter says which deliveries to list: those that pass every field
// that is not zero.
type DeliveryFilter struct {
	Status     delivery.Status // what they are now
	EventType  event.Type
	EventID    string
	DeliveryID string
	Since      time.Time // the latest activity began then or later
	Until      time.Time // the latest activity began before
	Message    string    // is in their message; ASCII letters match in either case
}

// LoggedDelivery is one delivery as the log knows it.
type LoggedDelivery struct {
	ID            string
	WebhookID     string
	EventID       string
	EventType     event.Type
	EventSequence uint64 // where the event is kept in the event stream; 0 for a test
	Test          bool
	Status        delivery.Status
	Message       string    // why it is not delivered, in plain words; "" when it is
	NextAt        time.Time // when the next attempt is due, zero when none is set
	UpdatedAt     time.Time // when the latest activity ended

	// Of the requests made: how many, when the first and the last began, and the
	// outcome of the last. All zero when none was made.
	Attempts       int
	FirstAttemptAt time.Time
	LastAttemptAt  time.Time
	Reason         delivery.Reason
	StatusCode     int
	Duration       time.Duration
}

// LatencyResolution is the precision of the latencies in Stats.
const LatencyResolution = time.Millisecond

// Stats are a webhook's outcomes over some hours.
type Stats struct {
	Hours   []HourStats // oldest first; hours in which nothing happened too
	Reasons map[delivery.Reason]int64
	Latency Latency
}

// HourStats are the outcomes of one hour.
type HourStats struct {
	Start     time.Time // a whole hour in UTC
	Succeeded int64     // requests
	Failed    int64     // requests
	Skipped   int64     // deliveries that were not sent
}

// Latency is how long requests took from beginning to end, failed ones too, in
// whole LatencyResolutions: P95 is the least time that 95 of 100 did not
// exceed, or from 128 LatencyResolutions on at most a 64th more. All are zero when
// Requests is.
type Latency struct {
	Requests      int64
	P50, P95, P99 time.Duration
}
