package limit

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// fill begins deliveries until the partition has its share, and returns how many.
func fill(l *Lot) (n int) {
	for l.check() == nil {
		l.Begin()
		n++
	}
	return n
}

// What one partition has begun leaves room for the others.
func TestPartitionsShareTheBacklog(t *testing.T) {
	t.Parallel()
	b := NewBacklog(4096)
	lots := []*Lot{b.Lot(), b.Lot(), b.Lot()}
	var has []int
	for _, l := range lots {
		has = append(has, fill(l))
	}
	for i, want := range []int{2048, 1024, 512} {
		if has[i] < want-1 || has[i] > want+1 {
			t.Errorf("partition %d has %d, want about %d", i, has[i], want)
		}
	}
	if err := b.Lot().check(); err != nil {
		t.Errorf("another partition gets nothing: %v", err)
	}
}

func TestAPartitionWaitsForItsOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := NewBacklog(8)
		l, other := b.Lot(), b.Lot()
		n := fill(l)
		if err := other.Wait(t.Context()); err != nil {
			t.Errorf("a partition with nothing waits: %v", err)
		}
		ended := make(chan error, 2)
		go func() { ended <- l.Wait(t.Context()) }()
		synctest.Wait()
		if s := b.state(); s.Waiting != 1 || s.Used != n || len(ended) > 0 {
			t.Errorf("%+v, %d ended; want one that waits", s, len(ended))
		}
		l.End()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		l.Begin()
		ctx, cancel := context.WithCancel(t.Context())
		go func() { ended <- l.Wait(ctx) }()
		synctest.Wait()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
		synctest.Wait()
		if s := b.state(); s.Waiting != 0 {
			t.Errorf("%d wait", s.Waiting)
		}
	})
}
