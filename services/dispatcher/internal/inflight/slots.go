// Package inflight bounds what a replica does at once: all attempts together,
// and the attempts of each webhook, so that no webhook can take what others
// need.
package inflight

import (
	"context"
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
	others line // those who want to ask for more
}

// line is those who wait, in order of arrival.
type line []chan struct{}

// NewSlots returns n free slots.
func NewSlots(n int) *Slots { return &Slots{free: n, total: n} }

// Acquire waits until slots are free that no held event needs, and takes as
// many as are, at most n. It returns how many it took, or ctx's error and none.
func (s *Slots) Acquire(ctx context.Context, n int) (int, error) {
	return s.acquire(ctx, n, &s.others, func() bool { return len(s.urgent) == 0 })
}

// Take waits for one slot for a delivery of an event that is already held. It
// comes before all who Acquire. The caller must not hold a slot while it waits.
func (s *Slots) Take(ctx context.Context) (*Slot, error) {
	if _, err := s.acquire(ctx, 1, &s.urgent, func() bool { return true }); err != nil {
		return nil, err
	}
	return s.Slot(), nil
}

func (s *Slots) acquire(ctx context.Context, n int, in *line, mayTake func() bool) (int, error) {
	for {
		s.mu.Lock()
		if s.free > 0 && mayTake() {
			took := min(n, s.free)
			s.free -= took
			s.wake() // what is left may serve the next
			s.mu.Unlock()
			return took, nil
		}
		turn := make(chan struct{})
		*in = append(*in, turn)
		s.mu.Unlock()
		select {
		case <-turn:
		case <-ctx.Done():
			s.leave(in, turn)
			return 0, ctx.Err()
		}
	}
}

// leave takes a waiter out of its line, or passes its turn on.
func (s *Slots) leave(in *line, turn chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, w := range *in {
		if w == turn {
			*in = append((*in)[:i], (*in)[i+1:]...)
			s.wake()
			return
		}
	}
	s.wake()
}

// Release gives n slots back.
func (s *Slots) Release(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free += n
	s.wake()
}

// wake gives as many their turn as there are free slots. The lock is held.
func (s *Slots) wake() {
	turns := s.free
	for _, in := range []*line{&s.urgent, &s.others} {
		for turns > 0 && len(*in) > 0 {
			close((*in)[0])
			*in = (*in)[1:]
			turns--
		}
	}
}

// Used returns how many slots are taken.
func (s *Slots) Used() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total - s.free
}

// Slot is one slot that was acquired. It is given back once, however often
// Free is called. It belongs to one goroutine at a time.
type Slot struct{ slots *Slots }

// Slot returns one acquired slot as a thing of its own.
func (s *Slots) Slot() *Slot { return &Slot{slots: s} }

// Free gives the slot back.
func (s *Slot) Free() {
	if s.slots != nil {
		s.slots.Release(1)
		s.slots = nil
	}
}
