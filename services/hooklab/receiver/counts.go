package receiver

import "maps"

// Counts are the requests that came in, at one path or in all.
type Counts struct {
	Requests    uint64         `json:"requests"`
	Broken      uint64         `json:"broken"` // bodies that ended early; not among Requests
	InFlight    int            `json:"inFlight"`
	MaxInFlight int            `json:"maxInFlight"` // the most that were ever in flight at once
	Statuses    map[int]uint64 `json:"statuses"`    // answers by status; 0 for none

	Verified   uint64 `json:"verified"`   // both signatures are right
	Refused    uint64 `json:"refused"`    // a signature is wrong or missing, and a secret is known
	Unverified uint64 `json:"unverified"` // no secret is known for the path
}

// clone returns a copy that shares nothing.
func (c *Counts) clone() Counts {
	copied := *c
	copied.Statuses = maps.Clone(c.Statuses)
	return copied
}

func (c *Counts) enter() {
	c.InFlight++
	c.MaxInFlight = max(c.MaxInFlight, c.InFlight)
}

func (c *Counts) count(r *Request) {
	c.Requests++
	if c.Statuses == nil {
		c.Statuses = make(map[int]uint64)
	}
	c.Statuses[r.Status]++
	switch {
	case r.DialNote == Unverified && r.Standard == Unverified:
		c.Unverified++
	case r.DialNote == Verified && r.Standard == Verified:
		c.Verified++
	default:
		c.Refused++
	}
}

// Totals is everything that was counted.
type Totals struct {
	Counts
	Deliveries IDSummary         `json:"deliveries"`
	Events     IDSummary         `json:"events"`
	Paths      map[string]Counts `json:"paths"`
}
