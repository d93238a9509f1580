// Package stat turns measured values into the figures of a report.
package stat

import (
	"math"
	"slices"
	"time"
)

// Figure is one quantity measured in several runs.
type Figure struct {
	Runs   []float64 `json:"runs"` // in the order of the runs
	Median float64   `json:"median"`
	Min    float64   `json:"min"`
	Max    float64   `json:"max"`
}

// Of returns the figure of some runs: the zero Figure when there are none. The
// median of an even number of runs is the mean of the two in the middle.
func Of(runs ...float64) Figure {
	if len(runs) == 0 {
		return Figure{}
	}
	sorted := slices.Sorted(slices.Values(runs))
	middle := len(sorted) / 2
	median := sorted[middle]
	if len(sorted)%2 == 0 {
		median = (sorted[middle-1] + sorted[middle]) / 2
	}
	return Figure{Runs: slices.Clone(runs), Median: median, Min: sorted[0], Max: sorted[len(sorted)-1]}
}

// Latency is how some durations are spread.
type Latency struct{ P50, P90, P99, Max time.Duration }

// LatencyOf returns how durations are spread; zeros when there are none. It
// does not change its argument.
func LatencyOf(durations []time.Duration) Latency {
	sorted := slices.Sorted(slices.Values(durations))
	return Latency{
		P50: percentile(sorted, 0.50), P90: percentile(sorted, 0.90),
		P99: percentile(sorted, 0.99), Max: percentile(sorted, 1),
	}
}

// percentile returns the smallest of the sorted values that at least the share
// p of them does not exceed: the nearest-rank method, which never invents a
// value that was not measured.
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, int(math.Ceil(p*float64(len(sorted))))-1)]
}

// Ratio returns part over whole, 0 when whole is 0.
func Ratio(part, whole float64) float64 {
	if whole == 0 {
		return 0
	}
	return part / whole
}
