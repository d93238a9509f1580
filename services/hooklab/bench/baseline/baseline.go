// Package baseline compares measured ratios with those that were committed.
package baseline

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"

	"github.com/dialnote/webhooks/services/hooklab/bench/report"
)

// Bound is one committed ratio and how far a new one may be off. Ratios to a
// bare loop of the same minutes hardly depend on the machine; times do.
type Bound struct {
	Case    string  `json:"case"`
	Row     string  `json:"row"`
	Measure string  `json:"measure"`
	Value   float64 `json:"value"`

	// Worse is by which factor a new value may be worse. LowerIsBetter says
	// which way that is.
	Worse         float64 `json:"worse"`
	LowerIsBetter bool    `json:"lowerIsBetter"`
}

// Baseline is what was committed.
type Baseline struct {
	Commit  string  `json:"commit"` // where it was measured
	Machine string  `json:"machine"`
	Bounds  []Bound `json:"bounds"`
}

// ErrWorse says that a ratio is worse than it may be.
var ErrWorse = errors.New("slower than what was committed")

// Read reads a baseline.
func Read(file string) (Baseline, error) {
	text, err := os.ReadFile(file) //nolint:gosec // the file that was asked for
	if err != nil {
		return Baseline{}, fmt.Errorf("read the baseline: %w", err)
	}
	var b Baseline
	if err := json.Unmarshal(text, &b); err != nil {
		return Baseline{}, fmt.Errorf("read the baseline: %w", err)
	}
	return b, nil
}

// Write writes a baseline.
func (b Baseline) Write(file string) error {
	text, err := json.MarshalIndent(b, "", "  ")
	if err == nil {
		err = os.WriteFile(file, append(text, '\n'), 0o644) //nolint:gosec // any user may read it
	}
	if err != nil {
		return fmt.Errorf("write the baseline: %w", err)
	}
	return nil
}

// Limit returns the value from which on it is worse than it may be.
func (b Bound) Limit() float64 {
	if b.LowerIsBetter {
		return b.Value * b.Worse
	}
	return b.Value / b.Worse
}

// Compare returns a line for each bound, and an error that wraps ErrWorse when
// any is broken. What was not measured is an error too.
func (b Baseline) Compare(d report.Document) (lines []string, err error) {
	var errs []error
	for _, bound := range b.Bounds {
		name := bound.Case + ", " + bound.Row + ", " + bound.Measure
		value, ok := find(d, bound)
		if !ok {
			errs = append(errs, fmt.Errorf("%s was not measured", name))
			continue
		}
		verdict := "good"
		worse := !bound.LowerIsBetter && value < bound.Limit() || bound.LowerIsBetter && value > bound.Limit()
		if worse {
			verdict = "WORSE"
			errs = append(errs, fmt.Errorf("%s: %w", name, ErrWorse))
		}
		lines = append(lines, fmt.Sprintf("%-5s %s: %s, committed %s, limit %s", verdict, name,
			report.Number(value), report.Number(bound.Value), report.Number(bound.Limit())))
	}
	return lines, errors.Join(errs...)
}

// Renewed returns the baseline with the values of a new measurement.
func (b Baseline) Renewed(d report.Document) (Baseline, error) {
	renewed := Baseline{Commit: d.Commit, Machine: fmt.Sprintf("%s, %d cores", d.Machine.CPU, d.Machine.Cores)}
	for _, bound := range b.Bounds {
		value, ok := find(d, bound)
		if !ok {
			return b, fmt.Errorf("%s, %s, %s was not measured", bound.Case, bound.Row, bound.Measure)
		}
		bound.Value = math.Round(value*1000) / 1000
		renewed.Bounds = append(renewed.Bounds, bound)
	}
	return renewed, nil
}

func find(d report.Document, bound Bound) (float64, bool) {
	row, ok := d.Row(bound.Case, bound.Row)
	if !ok {
		return 0, false
	}
	m, ok := row.Measure(bound.Measure)
	return m.Median, ok
}
