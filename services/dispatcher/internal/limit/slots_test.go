package limit

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestWhoAsksForMessagesLeavesSlotsToThoseWhoHaveThem(t *testing.T) {
	t.Parallel()
	s := NewSlots(512)
	var got []int
	for range 4 {
		n, err := s.Acquire(t.Context(), 128)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, n)
	}
	if want := []int{128, 128, 128, 64}; !slices.Equal(got, want) {
		t.Errorf("four askers took %v, want %v", got, want)
	}
	slot, err := s.Take(t.Context())
	if err != nil {
		t.Fatalf("a held event finds no slot while all others only ask: %v", err)
	}
	slot.Free()
	slot.Free() // only the first gives it back
	if used := s.Used(); used != 448 {
		t.Errorf("%d slots used, want 448", used)
	}
}

func TestTheLastSlotCanBeTaken(t *testing.T) {
	t.Parallel()
	s := NewSlots(1)
	n, err := s.Acquire(t.Context(), 8)
	if n != 1 || err != nil {
		t.Errorf("took %d, %v; want the only one", n, err)
	}
}

// queue starts waiters one after the other and tells in which order they were
// served. All of them belong to a synctest bubble.
type queue struct {
	slots *Slots
	mu    sync.Mutex
	order []string
}

func (q *queue) served(name string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.order = append(q.order, name)
}

func (q *queue) ask(ctx context.Context, name string, n int) {
	go func() {
		if _, err := q.slots.Acquire(ctx, n); err == nil {
			q.served(name)
		}
	}()
	synctest.Wait()
}

func (q *queue) take(ctx context.Context, name string) {
	go func() {
		if _, err := q.slots.Take(ctx); err == nil {
			q.served(name)
		}
	}()
	synctest.Wait()
}

func (q *queue) release(n int) {
	q.slots.Release(n)
	synctest.Wait()
}

func TestHeldEventsComeBeforeThoseWhoAskForMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := &queue{slots: NewSlots(1)}
		q.ask(t.Context(), "holder", 1)
		q.ask(t.Context(), "ask 1", 1)
		q.ask(t.Context(), "ask 2", 1)
		q.take(t.Context(), "held 1")
		q.take(t.Context(), "held 2")
		for range 4 {
			q.release(1)
		}
		want := []string{"holder", "held 1", "held 2", "ask 1", "ask 2"}
		if !slices.Equal(q.order, want) {
			t.Errorf("served %q, want %q", q.order, want)
		}
	})
}

// Two slots come back at once: the first belongs to the held event even when
// the other waiter is scheduled before it.
func TestASlotIsTakenByTheCallerItWasHandedTo(t *testing.T) {
	t.Parallel()
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			q := &queue{slots: NewSlots(2)}
			if n := q.slots.take(2) + q.slots.take(1); n != 2 {
				t.Fatalf("took %d", n)
			}
			q.ask(t.Context(), "ask", 2)
			q.take(t.Context(), "held")
			q.slots.Release(1)
			q.slots.Release(1)
			synctest.Wait()
			if len(q.order) != 2 || q.slots.Used() != 2 {
				t.Fatalf("served %q with %d slots used, want both", q.order, q.slots.Used())
			}
		})
	}
}

func TestCancelledWaitersLeaveNoHole(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := &queue{slots: NewSlots(1)}
		q.ask(t.Context(), "holder", 1)
		gone, cancel := context.WithCancel(t.Context())
		q.take(gone, "gone 1")
		q.ask(gone, "gone 2", 1)
		q.take(t.Context(), "held")
		q.ask(t.Context(), "ask", 1)
		cancel()
		synctest.Wait()
		q.release(1)
		q.release(1)
		if want := []string{"holder", "held", "ask"}; !slices.Equal(q.order, want) {
			t.Errorf("served %q, want %q", q.order, want)
		}
		q.release(1)
		if used := q.slots.Used(); used != 0 {
			t.Errorf("%d slots used at the end", used)
		}
	})
}

// Many at once, half of them impatient: never more than the total, no caller is
// forgotten, and at the end everything is free.
func TestSlotsUnderStress(t *testing.T) {
	t.Parallel()
	const total, workers, rounds = 7, 40, 400
	s := NewSlots(total)
	var inUse, worst atomic.Int64
	use := func(n int) {
		now := inUse.Add(int64(n))
		for {
			high := worst.Load()
			if now <= high || worst.CompareAndSwap(high, now) {
				break
			}
		}
		inUse.Add(-int64(n))
		s.Release(n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for range rounds {
				ctx, stop := ctx, func() {}
				if rand.N(2) == 0 {
					ctx, stop = context.WithTimeout(ctx, time.Duration(rand.N(int64(50*time.Microsecond))))
				}
				if rand.N(3) == 0 {
					if slot, err := s.Take(ctx); err == nil {
						inUse.Add(1)
						inUse.Add(-1)
						slot.Free()
					}
				} else if n, err := s.Acquire(ctx, 1+rand.N(4)); err == nil {
					use(n)
				}
				stop()
			}
		})
	}
	all.Wait()
	if err := ctx.Err(); err != nil {
		t.Fatalf("a caller waited for ever: %v", err)
	}
	if worst.Load() > total {
		t.Errorf("%d slots at once, of %d", worst.Load(), total)
	}
	if s.Used() != 0 || len(s.urgent) != 0 || len(s.others) != 0 {
		t.Errorf("at the end %d are used and %d + %d wait", s.Used(), len(s.urgent), len(s.others))
	}
}

func TestWaitingEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := NewSlots(1)
	if _, err := s.Acquire(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Take(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("take: %v", err)
	}
	if n, err := s.Acquire(ctx, 1); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("acquire: %d, %v", n, err)
	}
}
