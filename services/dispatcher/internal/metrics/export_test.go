package metrics

import "time"

// Reachability is reachability.
type Reachability struct{ reachability }

// Attempted is attempted.
func (r *Reachability) Attempted(organizationID string, answered bool, at time.Time) {
	r.attempted(organizationID, answered, at)
}

// Count is count.
func (r *Reachability) Count(now time.Time) (attempted, unanswered int) { return r.count(now) }
