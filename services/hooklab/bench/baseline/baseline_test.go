package baseline_test

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dialnote/webhooks/services/hooklab/bench/baseline"
	"github.com/dialnote/webhooks/services/hooklab/bench/report"
)

func document(rate, latency float64) report.Document {
	s := report.NewSamples("row", nil)
	s.Add("ratio", "", rate)
	s.Add("latency", "", latency)
	return report.Document{Commit: "new", Cases: []report.Case{{Name: "case", Rows: []report.Row{s.Row()}}}}
}

func bounds() baseline.Baseline {
	return baseline.Baseline{Bounds: []baseline.Bound{
		{Case: "case", Row: "row", Measure: "ratio", Value: 0.6, Worse: 1.5},
		{Case: "case", Row: "row", Measure: "latency", Value: 4, Worse: 2, LowerIsBetter: true},
	}}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rate, latency float64
		worse         int
	}{
		{0.6, 4, 0}, {0.9, 1, 0}, {0.401, 8, 0}, {0.399, 8, 1}, {0.6, 8.01, 1}, {0.1, 100, 2},
	} {
		lines, err := bounds().Compare(document(c.rate, c.latency))
		bad := 0
		for _, line := range lines {
			if strings.HasPrefix(line, "WORSE") {
				bad++
			}
		}
		if len(lines) != 2 || bad != c.worse || errors.Is(err, baseline.ErrWorse) != (c.worse > 0) {
			t.Errorf("%+v: %v\n%s", c, err, strings.Join(lines, "\n"))
		}
	}
	if _, err := bounds().Compare(report.Document{}); err == nil || errors.Is(err, baseline.ErrWorse) {
		t.Errorf("what was not measured: %v", err)
	}
}

func TestRenewedIsReadBack(t *testing.T) {
	t.Parallel()
	renewed, err := bounds().Renewed(document(0.7, 3))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "baseline.json")
	if err := renewed.Write(file); err != nil {
		t.Fatal(err)
	}
	read, err := baseline.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	if read.Commit != "new" || !slices.Equal(read.Bounds, renewed.Bounds) || read.Bounds[0].Value != 0.7 || read.Bounds[1].Worse != 2 {
		t.Errorf("%+v", read)
	}
	if _, err := bounds().Renewed(report.Document{}); err == nil {
		t.Error("renewed without a measurement")
	}
}
