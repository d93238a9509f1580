package delivery

import (
	"time"

	"github.com/dialnote/webhooks/pkg/event"
)

// clocksApart is how far the clocks of the machines that store events, deliver
// them and ask for them may be apart.
const clocksApart = time.Hour

// TimeRange is a range of time in which attempts may have begun: from From on and
// before To. A zero end is none, so the zero TimeRange is all of time.
type TimeRange struct{ From, To time.Time }

// Attempted returns when a delivery can have been attempted so far: not before its
// event was stored. The log is kept by days, and need not look into the others.
func (d Delivery) Attempted(now time.Time) TimeRange {
	return TimeRange{From: d.EventStored.Add(-clocksApart), To: now.Add(clocksApart)}
}

// AttemptedBefore returns when the delivery can have been attempted for an earlier
// message of the same event: not before the event's id was made, if it says when,
// else at any time.
func (d Delivery) AttemptedBefore(now time.Time) TimeRange {
	made, ok := event.IDTime(d.EventID)
	if !ok || made.After(d.EventStored.Add(clocksApart)) { // the id's time is wrong
		return TimeRange{To: now.Add(clocksApart)}
	}
	if made.After(d.EventStored) {
		made = d.EventStored
	}
	return TimeRange{From: made.Add(-clocksApart), To: now.Add(clocksApart)}
}

// Joined returns the smallest range that holds both.
func (r TimeRange) Joined(other TimeRange) TimeRange {
	if other.From.Before(r.From) { // no beginning is before any
		r.From = other.From
	}
	if other.To.IsZero() || !r.To.IsZero() && other.To.After(r.To) {
		r.To = other.To
	}
	return r
}
