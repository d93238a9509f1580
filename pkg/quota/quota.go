// Package quota says how much an organization may have of what is stored, and what
// follows when it has that much. It does no I/O; the clock is an argument.
package quota

import (
	"time"
)

// Name names a quota. It is part of the API.
type Name string

// The quotas of an organization.
const (
	Events  Name = "events"  // the bytes of its events that are kept
	Waiting Name = "waiting" // the bytes of what waits for its webhooks
)

// Names returns all of them.
func Names() []Name { return []Name{Events, Waiting} }

// Overlap is by how much the clocks of the services and of the broker may differ. A
// replica adds to what is counted what it accepted itself up to so long before, rather
// twice than never.
const Overlap = 3 * time.Second

// WaitingBytes is what one delivery that waits is counted as: its row and its entry
// in the log, with their indexes.
const WaitingBytes = 1280

// Limits are the quotas of each organization in bytes. 0 is no limit.
type Limits struct{ Events, Waiting int64 }

// Of returns a quota's limit.
func (l Limits) Of(n Name) int64 {
	switch n {
	case Events:
		return l.Events
	case Waiting:
		return l.Waiting
	}
	return 0
}

// Reached reports whether an organization that uses so many bytes may have no more.
func (l Limits) Reached(n Name, used int64) bool {
	limit := l.Of(n)
	return limit > 0 && used >= limit
}

// Hour is what was stored in one hour and is kept.
type Hour struct {
	Start time.Time // a whole hour in UTC
	Bytes int64
}

// Usage is what an organization uses of the events quota.
type Usage struct {
	Hours []Hour    // oldest first
	Until time.Time // everything that was stored before is counted
}

// Total returns the bytes of all hours.
func (u Usage) Total() int64 {
	var sum int64
	for _, h := range u.Hours {
		sum += h.Bytes
	}
	return sum
}

// Exceeded says which quota has no room for an event.
type Exceeded struct {
	Quota       Name
	Limit, Used int64     // bytes
	RoomAt      time.Time // when the retention makes room for the event, zero when only the customer can
}

// Admit returns nil when there is room for an event of size bytes, beside what is
// counted and the uncounted bytes that came since.
func (l Limits) Admit(u Usage, uncounted, size int64, retention time.Duration) *Exceeded {
	used := u.Total() + uncounted
	if l.Events <= 0 || used+size <= l.Events {
		return nil
	}
	return &Exceeded{Quota: Events, Limit: l.Events, Used: used, RoomAt: roomAt(u.Hours, used+size-l.Events, retention)}
}

// roomAt returns when so many bytes of the oldest hours have left the stream. Each
// hour leaves message by message; it has left when its last message has.
func roomAt(hours []Hour, bytes int64, retention time.Duration) time.Time {
	for _, h := range hours {
		if bytes -= h.Bytes; bytes <= 0 {
			return h.Start.Add(time.Hour + retention)
		}
	}
	return time.Time{}
}

// OfStorage returns the bound of the events of all organizations together when NATS
// may store so many bytes, of which the streams with fixed bounds have others. A fifth
// of the rest is left to deliveries that wait for a retry, so that what was accepted can
// be delivered and recorded when the events have no more room. It returns 0, no bound,
// for storage without a limit.
func OfStorage(storage, others int64) int64 {
	const least = 64 << 20
	if storage <= 0 {
		return 0
	}
	return max((storage-others)/5*4, least)
}

// DefaultEvents returns the events quota of an organization when the setting names
// none: a quarter of what all have together, or 10 GiB when that has no bound.
func DefaultEvents(all int64) int64 {
	const unbounded = 10 << 30
	if all <= 0 {
		return unbounded
	}
	return max(all/4, 1)
}
