package quota_test

import (
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/quota"
)

func TestAdmit(t *testing.T) {
	t.Parallel()
	const week = 7 * 24 * time.Hour
	first := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	usage := quota.Usage{Hours: []quota.Hour{{Start: first, Bytes: 10}, {Start: first.Add(time.Hour), Bytes: 30}, {Start: first.Add(5 * time.Hour), Bytes: 50}}}
	left := func(hours int) time.Time { return first.Add(time.Duration(hours+1)*time.Hour + week) }
	for _, c := range []struct {
		name                   string
		limit, uncounted, size int64
		used                   int64 // 0: it is admitted
		roomAt                 time.Time
	}{
		{"no limit", 0, 0, 1 << 40, 0, time.Time{}},
		{"up to the limit", 100, 4, 6, 0, time.Time{}},
		{"one byte more", 100, 4, 7, 94, left(0)},
		{"as much as the first hour has", 100, 10, 10, 100, left(0)},
		{"more than the first hour has", 100, 10, 11, 100, left(1)},
		{"all that is counted", 100, 90, 10, 180, left(5)},
		{"more than is counted", 100, 91, 10, 181, time.Time{}},
		{"more than the limit", 100, 0, 101, 90, time.Time{}},
	} {
		got := quota.Limits{Events: c.limit}.Admit(usage, c.uncounted, c.size, week)
		if c.used == 0 {
			if got != nil {
				t.Errorf("%s: %+v", c.name, got)
			}
			continue
		}
		if want := (quota.Exceeded{Quota: quota.Events, Limit: c.limit, Used: c.used, RoomAt: c.roomAt}); got == nil || *got != want {
			t.Errorf("%s: %+v, want %+v", c.name, got, want)
		}
	}
}

func TestReached(t *testing.T) {
	t.Parallel()
	l := quota.Limits{Events: 10}
	for used, want := range map[int64]bool{0: false, 9: false, 10: true, 11: true} {
		if l.Reached(quota.Events, used) != want {
			t.Errorf("%d of 10: want %t", used, want)
		}
	}
	if l.Reached(quota.Waiting, 1<<60) {
		t.Error("what has no limit is reached")
	}
}

func TestBoundsOfStorage(t *testing.T) {
	t.Parallel()
	const gib = 1 << 30
	for _, c := range []struct{ storage, others, want int64 }{
		{0, 2 * gib, 0},
		{-1, 2 * gib, 0},
		{102 * gib, 2 * gib, 80 * gib},
		{gib, 2 * gib, 64 << 20}, // less than the others have: the least
	} {
		if got := quota.OfStorage(c.storage, c.others); got != c.want {
			t.Errorf("of %d beside %d: %d, want %d", c.storage, c.others, got, c.want)
		}
	}
	for all, want := range map[int64]int64{0: 10 * gib, 80 * gib: 20 * gib, 1: 1} {
		if got := quota.DefaultEvents(all); got != want {
			t.Errorf("of %d each: %d, want %d", all, got, want)
		}
	}
}
