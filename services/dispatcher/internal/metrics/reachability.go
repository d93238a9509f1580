package metrics

import (
	"strings"
	"sync"
	"time"
)

const (
	// reachabilityMinutes is how far back the reachability of organizations is
	// kept.
	reachabilityMinutes = 5

	// maxOrganizations bounds the organizations kept of one minute, at about 2
	// MiB. The share of the first 20,000 that did not answer is as good an
	// estimate as that of all.
	maxOrganizations = 20_000
)

// reachability counts the organizations to which requests were sent in the last
// five minutes, and those of them from which no answer came at all. One
// organization without an answer has a broken endpoint. Many at once have a cause
// on our side: the name server, the way out, the clock, the root certificates.
// Safe for concurrent use.
type reachability struct {
	mu      sync.Mutex
	minutes [reachabilityMinutes]minute
}

// minute is the organizations of one minute, true for those that answered.
type minute struct {
	number   int64 // since 1970
	answered map[string]bool
}

// attempted notes that a request to an organization's endpoint ended at a time,
// and whether the endpoint answered. An HTTP status of any kind is an answer.
func (r *reachability) attempted(organizationID string, answered bool, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	number := at.Unix() / 60
	m := &r.minutes[uint64(number)%reachabilityMinutes] //nolint:gosec // a time before 1970 has its place too
	if m.number != number || m.answered == nil {
		*m = minute{number: number, answered: map[string]bool{}}
	}
	before, known := m.answered[organizationID]
	switch {
	case known && (before || !answered):
	case known:
		m.answered[organizationID] = true
	case len(m.answered) < maxOrganizations:
		m.answered[strings.Clone(organizationID)] = answered // the ID is a part of a whole message
	}
}

// count returns how many organizations had a request in the five minutes before
// now, and how many of those did not answer any.
func (r *reachability) count(now time.Time) (attempted, unanswered int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := map[string]bool{}
	oldest := now.Unix()/60 - reachabilityMinutes
	for _, m := range r.minutes {
		if m.number <= oldest {
			continue
		}
		for organization, answered := range m.answered {
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
