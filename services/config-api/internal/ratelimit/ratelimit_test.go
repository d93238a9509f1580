package ratelimit

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func newLimiter(t *testing.T, limit Limit, keys int) *Limiter {
	t.Helper()
	l, err := New(limit, keys)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestABucketEmptiesAndFills(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, Limit{PerSecond: 2, Burst: 3}, 10)
	for n, step := range []struct {
		after time.Duration
		wait  time.Duration
	}{
		{0, 0},
		{0, 0},
		{0, 0}, // the burst is used up
		{0, 500 * time.Millisecond},
		{499 * time.Millisecond, time.Millisecond},
		{500 * time.Millisecond, 0},
		{500 * time.Millisecond, 500 * time.Millisecond}, // what was refused cost nothing
		{time.Hour, 0},
		{time.Hour, 0},
		{time.Hour, 0}, // no more than the burst, however long the pause
		{time.Hour, 500 * time.Millisecond},
	} {
		if wait := l.Take("acme", noon.Add(step.after)); wait.Round(time.Millisecond) != step.wait {
			t.Errorf("step %d: wait %s, want %s", n, wait, step.wait)
		}
	}
	if wait := l.Take("other", noon); wait != 0 {
		t.Errorf("another key waits %s", wait)
	}
}

func TestNoLimit(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, Limit{}, 1)
	for range 10_000 {
		if wait := l.Take("acme", noon); wait != 0 {
			t.Fatalf("wait %s", wait)
		}
	}
}

func TestABucketHoldsOneAtLeast(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, Limit{PerSecond: 0.1}, 1)
	if first, second := l.Take("a", noon), l.Take("a", noon); first != 0 || second != 10*time.Second {
		t.Errorf("waits %s, %s", first, second)
	}
}

func TestKeysAreBounded(t *testing.T) {
	t.Parallel()
	const most = 100
	l := newLimiter(t, Limit{PerSecond: 1, Burst: 1}, most)
	for n := range 100 * most {
		l.Take(strconv.Itoa(n), noon)
	}
	l.buckets.CleanUp()
	if n := l.buckets.EstimatedSize(); n > most {
		t.Errorf("%d keys are kept", n)
	}
}

func TestManyAtOnceTakeNoMoreThanThereIs(t *testing.T) {
	t.Parallel()
	const burst = 50
	l := newLimiter(t, Limit{PerSecond: 1, Burst: burst}, 10)
	var taken atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range burst {
				if l.Take("acme", noon) == 0 {
					taken.Add(1)
				}
			}
		})
	}
	all.Wait()
	if n := taken.Load(); n != burst {
		t.Errorf("%d were allowed, want %d", n, burst)
	}
}
