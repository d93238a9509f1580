package bench

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/dialnote/webhooks/services/hooklab/bench/sink"
	"github.com/dialnote/webhooks/services/hooklab/bench/stat"
)

func TestChoose(t *testing.T) {
	t.Parallel()
	all, err := choose(nil)
	if err != nil || len(all) != len(Cases()) {
		t.Errorf("%d cases, %v", len(all), err)
	}
	some, err := choose([]string{"noisy", "burst"})
	if err != nil || !slices.Equal(namesOf(some), []string{"noisy", "burst"}) {
		t.Errorf("%v, %v", namesOf(some), err)
	}
	if _, err := choose([]string{"burst", "brust"}); !errors.Is(err, ErrUnknownCase) {
		t.Error(err)
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()
	b := &bench{Config: Config{Scale: 0.1}}
	if b.size(50_000, 1000) != 5000 || b.size(5000, 1000) != 1000 {
		t.Error(b.size(50_000, 1000), b.size(5000, 1000))
	}
	if b.time(30*time.Second) != 3*time.Second || b.time(time.Second) != 2*time.Second {
		t.Error(b.time(30*time.Second), b.time(time.Second))
	}
	if one, two := b.runID(), b.runID(); one == two {
		t.Error("two runs share their ids", one)
	}
	c := Case{Limit: 10 * time.Minute}
	if got := c.limit(3, 1); got != 13*time.Minute {
		t.Error(got)
	}
	if c.limit(1, 1) != c.limit(3, 1) || c.limit(6, 1) <= c.limit(3, 1) || c.limit(3, 0.001) <= 3*time.Minute {
		t.Error("limits", c.limit(1, 1), c.limit(6, 1), c.limit(3, 0.001))
	}
}

func TestRate(t *testing.T) {
	t.Parallel()
	at := time.Unix(100, 0)
	c := sink.Counts{Arrived: 11, First: at.Add(time.Second).UnixNano(), Last: at.Add(2 * time.Second).UnixNano()}
	if got := rateOf(c, at); got != 5.5 {
		t.Errorf("from the beginning: %v", got)
	}
	if got := rateOf(c, time.Time{}); got != 10 {
		t.Errorf("from the first arrival: %v", got)
	}
}

func TestLatencyIsThatOfTheLastArrival(t *testing.T) {
	t.Parallel()
	sent := []int64{100, 200}
	if got := latencyOf(sent, []int64{107, 203}, 1); got.P50 != 3 || got.Max != 7 {
		t.Errorf("%+v", got)
	}
	if got := latencyOf(sent, []int64{105, 130, 101, 220, 201, 202}, 3); got.P50 != 20 || got.Max != 30 {
		t.Errorf("%+v", got)
	}
	if got := latencyOf(nil, nil, 1); got != (stat.Latency{}) {
		t.Errorf("%+v", got)
	}
}

func TestTenths(t *testing.T) {
	t.Parallel()
	passed := make([]int64, marks) // twice as fast in the second half
	for i := range passed {
		step := 2 * time.Second
		if i >= marks/2 {
			step = time.Second
		}
		passed[i] = int64(step)
		if i > 0 {
			passed[i] += passed[i-1]
		}
	}
	if got := tenth(passed, 10, 0); got != 5 {
		t.Errorf("first: %v", got)
	}
	if got := tenth(passed, 10, 90); got != 10 {
		t.Errorf("last: %v", got)
	}
	if got := tenth(passed, 10, 45); got < 6 || got > 7 {
		t.Errorf("middle: %v", got)
	}
}

func TestMemoryAt(t *testing.T) {
	t.Parallel()
	seen := []memory{{10, 1}, {20, 2}, {30, 3}}
	for at, want := range map[int64]int64{5: 0, 11: 1, 25: 2, 99: 3} {
		if got := memoryAt(seen, at); got != want {
			t.Errorf("at %d: %d, want %d", at, got, want)
		}
	}
}
