// Package spread tells one customer's broken endpoint from a fault of ours. It
// knows how many organizations were sent to in the last minutes and from how
// many of them no answer came at all. One organization without an answer is its
// own trouble; many at once are ours: the name server, the way out, the clock,
// the root certificates.
package spread

import (
	"strings"
	"sync"
	"time"
)

const (
	// minutes is how far back a window looks.
	minutes = 5

	// most bounds the organizations remembered of one minute: about 2 MiB. A
	// share of the first 20,000 says as much as one of all.
	most = 20_000
)

// Window remembers the organizations of the last five minutes. Safe for
// concurrent use.
type Window struct {
	mu    sync.Mutex
	slots [minutes]slot
}

// slot is one minute: its organizations, true for those that answered.
type slot struct {
	minute   int64
	answered map[string]bool
}

// NewWindow returns a window that has seen nothing.
func NewWindow() *Window { return &Window{} }

// Attempted notes that a request to an organization's endpoint ended at a time,
// and whether anything answered it: any HTTP status is an answer, also one that
// says no.
func (w *Window) Attempted(organizationID string, answered bool, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	minute := at.Unix() / 60
	s := &w.slots[uint64(minute)%minutes] //nolint:gosec // also a time before 1970 has its place
	if s.minute != minute || s.answered == nil {
		*s = slot{minute: minute, answered: map[string]bool{}}
	}
	before, known := s.answered[organizationID]
	switch {
	case known && (before || !answered):
	case known:
		s.answered[organizationID] = true
	case len(s.answered) < most:
		s.answered[strings.Clone(organizationID)] = answered // not a piece of a whole message
	}
}

// Count returns how many organizations were sent to in the five minutes before
// now, and from how many of those nothing answered.
func (w *Window) Count(now time.Time) (attempted, unanswered int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := map[string]bool{}
	oldest := now.Unix()/60 - minutes
	for _, s := range w.slots {
		if s.minute <= oldest {
			continue
		}
		for organization, answered := range s.answered {
			all[organization] = all[organization] || answered
		}
	}
	for _, answered := range all {
		if !answered {
			unanswered++
		}
	}
	return len(all), unanswered
}
