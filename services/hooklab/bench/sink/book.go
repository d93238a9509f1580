package sink

import (
	"sync/atomic"
	"time"
)

// Plan says what is expected next.
type Plan struct {
	Slots  int  `json:"slots"`  // how many deliveries: one slot each
	Stride int  `json:"stride"` // slots of one event: its webhooks; 0 means 1
	Times  bool `json:"times"`  // keep when each slot was filled
	Mark   int  `json:"mark"`   // keep when each Mark-th slot was filled; 0 for none
}

// Counts is what came since the plan was made.
type Counts struct {
	Arrived    int64 `json:"arrived"`    // slots that are filled
	Duplicates int64 `json:"duplicates"` // requests for a slot that was filled
	Unexpected int64 `json:"unexpected"` // requests for no slot
	Unrecorded int64 `json:"unrecorded"` // requests to paths that are not recorded
	First      int64 `json:"first"`      // Unix nanoseconds of the first slot filled, 0 for none
	Last       int64 `json:"last"`       // and of the last
}

// book is what a receiver writes down for one plan. It takes no lock: what it
// costs is part of every request of both sides of a comparison.
type book struct {
	plan  Plan
	seen  []atomic.Uint64 // one bit a slot
	times []atomic.Int64
	marks []atomic.Int64

	arrived, duplicates, unexpected, unrecorded atomic.Int64
	first, last                                 atomic.Int64
	full                                        chan struct{} // closed when every slot is filled
}

func newBook(p Plan) *book {
	p.Slots, p.Stride = max(0, p.Slots), max(1, p.Stride)
	b := &book{plan: p, seen: make([]atomic.Uint64, (p.Slots+63)/64), full: make(chan struct{})}
	if p.Times {
		b.times = make([]atomic.Int64, p.Slots)
	}
	if p.Mark > 0 {
		b.marks = make([]atomic.Int64, p.Slots/p.Mark)
	}
	if p.Slots == 0 {
		close(b.full)
	}
	return b
}

// fill notes that the delivery of an event to its nth webhook has arrived.
func (b *book) fill(event, nth int, at time.Time) {
	slot := event*b.plan.Stride + nth
	if event < 0 || nth < 0 || nth >= b.plan.Stride || slot >= b.plan.Slots {
		b.unexpected.Add(1)
		return
	}
	bit := uint64(1) << (slot % 64)
	if b.seen[slot/64].Or(bit)&bit != 0 {
		b.duplicates.Add(1)
		return
	}
	now := at.UnixNano()
	if b.times != nil {
		b.times[slot].Store(now)
	}
	b.first.CompareAndSwap(0, now)
	b.last.Store(now)
	n := int(b.arrived.Add(1))
	if b.marks != nil && n%b.plan.Mark == 0 {
		b.marks[n/b.plan.Mark-1].Store(now)
	}
	if n == b.plan.Slots {
		close(b.full)
	}
}

func (b *book) counts() Counts {
	return Counts{
		Arrived: b.arrived.Load(), Duplicates: b.duplicates.Load(),
		Unexpected: b.unexpected.Load(), Unrecorded: b.unrecorded.Load(),
		First: b.first.Load(), Last: b.last.Load(),
	}
}

func values(stored []atomic.Int64) []int64 {
	list := make([]int64, len(stored))
	for i := range stored {
		list[i] = stored[i].Load()
	}
	return list
}
