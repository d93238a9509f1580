package stat_test

import (
	"slices"
	"testing"
	"time"

	"github.com/dialnote/webhooks/services/hooklab/bench/stat"
)

func TestFigure(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		runs             []float64
		median, low, top float64
	}{
		{nil, 0, 0, 0},
		{[]float64{7}, 7, 7, 7},
		{[]float64{3, 1}, 2, 1, 3},
		{[]float64{9, 1, 5}, 5, 1, 9},
		{[]float64{4, 1, 3, 2}, 2.5, 1, 4},
	} {
		f := stat.Of(c.runs...)
		if f.Median != c.median || f.Min != c.low || f.Max != c.top || !slices.Equal(f.Runs, c.runs) {
			t.Errorf("%v: %+v", c.runs, f)
		}
	}
}

func TestLatency(t *testing.T) {
	t.Parallel()
	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration(100-i))
	}
	for _, c := range []struct {
		durations []time.Duration
		want      stat.Latency
	}{
		{nil, stat.Latency{}},
		{[]time.Duration{5}, stat.Latency{P50: 5, P90: 5, P99: 5, Max: 5}},
		{[]time.Duration{2, 1}, stat.Latency{P50: 1, P90: 2, P99: 2, Max: 2}},
		{hundred, stat.Latency{P50: 50, P90: 90, P99: 99, Max: 100}},
		{append(hundred, 101), stat.Latency{P50: 51, P90: 91, P99: 100, Max: 101}},
	} {
		if got := stat.LatencyOf(c.durations); got != c.want {
			t.Errorf("%v: %+v, want %+v", c.durations, got, c.want)
		}
	}
	if hundred[0] != 100 {
		t.Error("its argument was sorted")
	}
}

func TestRatio(t *testing.T) {
	t.Parallel()
	if stat.Ratio(1, 0) != 0 || stat.Ratio(1, 4) != 0.25 {
		t.Error("ratio")
	}
}
