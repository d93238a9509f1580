// Package limit bounds what a replica does at once: all attempts together, and
// the attempts of each webhook, so that no webhook can take what others need.
package limit

import (
	"context"
	"slices"
	"sync"
)

// Slots are the replica's places for deliveries. A place is taken before a
// message is asked for and given back when its attempt has ended, so a replica
// never holds more messages than it has places. Safe for concurrent use.
type Slots struct {
	mu     sync.Mutex
	free   int
	total  int
	urgent line // deliveries of events that are already held
	others line // callers that want to ask for more events
}

// line is the callers that wait, in order of arrival. While a caller waits nothing
// is free: a slot is handed to the first in line as it comes back, so that no
// caller overtakes another and no wake-up is lost.
type line []*request

// request is a caller that waits.
type request struct {
	want  int
	given chan int // how many slots were handed over; holds one answer
}

// NewSlots returns n free slots.
func NewSlots(n int) *Slots { return &Slots{free: n, total: n} }

// Acquire waits until slots are free that no held event needs, and takes at
// most n of them, and at most half: a caller that asks for messages holds its slots
// until they come, and must leave some for the messages that are there. It returns
// how many it took, or ctx's error and none.
func (s *Slots) Acquire(ctx context.Context, n int) (int, error) {
	return s.acquire(ctx, n, &s.others)
}

// Take waits for one slot for a delivery of an event that is already held. It
// comes before every Acquire. The caller must not hold a slot while it waits.
func (s *Slots) Take(ctx context.Context) (*Slot, error) {
	if _, err := s.acquire(ctx, 1, &s.urgent); err != nil {
		return nil, err
	}
	return s.Slot(), nil
}

func (s *Slots) acquire(ctx context.Context, n int, in *line) (int, error) {
	s.mu.Lock()
	if s.free > 0 {
		defer s.mu.Unlock()
		return s.take(n), nil
	}
	w := &request{want: n, given: make(chan int, 1)}
	*in = append(*in, w)
	s.mu.Unlock()
	select {
	case took := <-w.given:
		return took, nil
	case <-ctx.Done():
		s.leave(in, w)
		return 0, ctx.Err()
	}
}

// take takes at most n of the free slots and at most half. The lock is held.
func (s *Slots) take(n int) int {
	took := min(n, max(1, s.free/2))
	s.free -= took
	return took
}

// leave takes a waiter out of its line, or gives back what it was just given.
func (s *Slots) leave(in *line, w *request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(*in, w); i >= 0 {
		*in = slices.Delete(*in, i, i+1)
		return
	}
	s.free += <-w.given
	s.serve()
}

// Release gives n slots back.
func (s *Slots) Release(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free += n
	s.serve()
}

// serve hands free slots to the callers that wait, the urgent first. The lock is held.
func (s *Slots) serve() {
	for _, in := range []*line{&s.urgent, &s.others} {
		for s.free > 0 && len(*in) > 0 {
			w := (*in)[0]
			*in = slices.Delete(*in, 0, 1)
			w.given <- s.take(w.want)
		}
	}
}

// Used returns how many slots are taken.
func (s *Slots) Used() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total - s.free
}

// Limit returns how many slots there are.
func (s *Slots) Limit() int { return s.total }

// Slot is one slot that was acquired. It is given back once, however often
// Free is called. It belongs to one goroutine at a time.
type Slot struct {
	slots *Slots
	freed func() // called when the slot is given back; may be nil
}

// Slot returns one acquired slot as a thing of its own.
func (s *Slots) Slot() *Slot { return &Slot{slots: s} }

// SlotThen is Slot, and calls freed when it is given back.
func (s *Slots) SlotThen(freed func()) *Slot { return &Slot{slots: s, freed: freed} }

// Free gives the slot back.
func (s *Slot) Free() {
	if s.slots == nil {
		return
	}
	s.slots.Release(1)
	s.slots = nil
	if s.freed != nil {
		s.freed()
	}
}
