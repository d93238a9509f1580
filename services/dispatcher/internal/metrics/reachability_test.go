package metrics_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/services/dispatcher/internal/metrics"
)

func TestOneBrokenEndpointIsNotMany(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 23, 10, 0, 30, 0, time.UTC)
	type attempt struct {
		organization string
		answered     bool
		after        time.Duration
	}
	for name, test := range map[string]struct {
		attempts              []attempt
		now                   time.Duration
		attempted, unanswered int
	}{
		"nothing happened":                    {},
		"one that fails":                      {[]attempt{{"a", false, 0}}, 0, 1, 1},
		"one answer is enough":                {[]attempt{{"a", false, 0}, {"a", true, 0}, {"a", false, 0}}, 0, 1, 0},
		"an answer in another minute too":     {[]attempt{{"a", true, 0}, {"a", false, 2 * time.Minute}}, 2 * time.Minute, 1, 0},
		"one of three":                        {[]attempt{{"a", false, 0}, {"b", true, 0}, {"c", true, time.Minute}}, time.Minute, 3, 1},
		"still remembered in the fifth":       {[]attempt{{"a", false, 0}}, 4*time.Minute + 29*time.Second, 1, 1},
		"forgotten after it":                  {[]attempt{{"a", false, 0}}, 4*time.Minute + 30*time.Second, 0, 0},
		"forgotten, although nothing came":    {[]attempt{{"a", false, 0}}, time.Hour, 0, 0},
		"a later minute takes the same place": {[]attempt{{"a", false, 0}, {"b", true, 5 * time.Minute}}, 5 * time.Minute, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &metrics.Reachability{}
			for _, a := range test.attempts {
				r.Attempted(a.organization, a.answered, start.Add(a.after))
			}
			if attempted, unanswered := r.Count(start.Add(test.now)); attempted != test.attempted || unanswered != test.unanswered {
				t.Errorf("%d attempted, %d unanswered; want %d and %d", attempted, unanswered, test.attempted, test.unanswered)
			}
		})
	}
}

func TestTheOrganizationsOfAMinuteAreBounded(t *testing.T) {
	t.Parallel()
	r, now := &metrics.Reachability{}, time.Unix(0, 0)
	for i := range 30_000 {
		r.Attempted(fmt.Sprint("org", i), false, now)
	}
	if attempted, unanswered := r.Count(now); attempted != 20_000 || unanswered != 20_000 {
		t.Errorf("%d attempted, %d unanswered", attempted, unanswered)
	}
}

// An organization's ID often is a part of a message.
func TestReachabilityKeepsNoMessage(t *testing.T) { //nolint:paralleltest // all tests share the heap
	const messages, bytes = 64, 1 << 20
	r, now := &metrics.Reachability{}, time.Unix(0, 0)
	before := heap()
	for i := range messages {
		message := fmt.Sprintf("org%03d", i) + strings.Repeat(" ", bytes)
		r.Attempted(message[:6], false, now)
	}
	if took := heap() - before; took > messages*bytes/4 {
		t.Errorf("%d organizations take %d bytes", messages, took)
	}
	runtime.KeepAlive(r)
}

// heap returns the bytes that are in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
