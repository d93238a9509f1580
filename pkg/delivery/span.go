package delivery

import "time"

// clocksApart is how far the clocks of the machines that store events, deliver
// them and ask for them may be apart.
const clocksApart = time.Hour

// Span is a part of time in which attempts may have begun: from From on and before
// To. A zero end is none, so the zero Span is all of time.
type Span struct{ From, To time.Time }

// Attempted returns when a delivery can have been attempted so far: not before its
// event was stored. The log is kept by days, and need not look into the others.
func (d Delivery) Attempted(now time.Time) Span {
	return Span{From: d.EventStored.Add(-clocksApart), To: now.Add(clocksApart)}
}

// Joined returns the smallest span that holds both.
func (s Span) Joined(other Span) Span {
	if other.From.Before(s.From) { // no beginning is before any
		s.From = other.From
	}
	if other.To.IsZero() || !s.To.IsZero() && other.To.After(s.To) {
		s.To = other.To
	}
	return s
}
