package webhook

import "time"

// Health is what the outcomes of past attempts say about a webhook. It is
// changed only by delivery.Decide and by Enable.
type Health struct {
	// FailureCount is the number of consecutive failures, 0 after a success.
	FailureCount int

	// Outages are the counted failures behind FailureCount, oldest first. A failed
	// attempt that overlaps one of them is the same outage and is not counted
	// again.
	Outages []Outage

	// CountFrom is when counting began: the end of the last success, or the
	// moment of the last Enable. Attempts that ended before it are history.
	CountFrom time.Time

	// LastSentAt is when the last successful delivery ended, or zero.
	LastSentAt time.Time

	// LastError is the last failed attempt, or nil. It is kept after a success.
	LastError *Failure

	// HoldUntil is the end of the current hold, or zero when there is none.
	// While it is set nothing is sent but, once it has passed, one probe.
	HoldUntil time.Time

	// AutoDisabled says why the webhook was disabled automatically.
	AutoDisabled DisabledReason
}

// OnHold reports whether a hold is set. It stays set after HoldUntil has
// passed, until a probe's success ends it.
func (h Health) OnHold() bool { return !h.HoldUntil.IsZero() }

// Outage is a counted failure.
type Outage struct {
	Interval

	// Recorded is when the failure was recorded: until then no other replica knew
	// of it. It is zero when an older version recorded it.
	Recorded time.Time `json:"recorded,omitzero"`
}

// Interval is the time an attempt took.
type Interval struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// Overlaps reports whether the two share an instant.
func (i Interval) Overlaps(o Interval) bool {
	return i.Start.Before(o.End) && o.Start.Before(i.End)
}

// Failure is the last failed attempt of a webhook as the customer sees it.
type Failure struct {
	At         time.Time `json:"at"`
	Reason     string    `json:"reason"`
	Message    string    `json:"message"`
	StatusCode int       `json:"statusCode,omitempty"` // 0 when no answer came
}

// Enable returns the health of a webhook that its owner enabled: not disabled,
// count 0, no hold. LastSentAt and LastError are kept to be read.
func (h Health) Enable(now time.Time) Health {
	return Health{LastSentAt: h.LastSentAt, LastError: h.LastError, CountFrom: now}
}

// EndHold returns h without its hold, as saving a new URL does. It does not
// enable and does not change the count.
func (h Health) EndHold() Health {
	h.HoldUntil = time.Time{}
	return h
}
