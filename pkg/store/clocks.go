package store

import "time"

// Clocks tells the time by the database's clock, which all replicas have in common:
// one whose own clock is wrong must not remove what is young, nor hold for days what
// others hold for minutes.
type Clocks interface {
	// Now returns the time, by this machine's clock corrected by the last measured
	// skew, when that is a second or more.
	Now() time.Time

	// Skew returns what the last call of Clock has measured, the zero Skew before the
	// first.
	Skew() Skew
}

// Skew is how far this machine's clock is off, compared with the database's.
type Skew struct {
	Ahead     time.Duration // negative when it is behind
	Precision time.Duration // by how much the measurement itself may be wrong
}

// AtLeast reports whether the clocks surely differ by so much or more.
func (s Skew) AtLeast(most time.Duration) bool { return s.Ahead.Abs()-s.Precision >= most }
