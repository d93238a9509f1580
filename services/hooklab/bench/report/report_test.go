package report_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/services/hooklab/bench/report"
	"github.com/dialnote/webhooks/services/hooklab/bench/stat"
)

func document() report.Document {
	s := report.NewSamples("by NATS", map[string]string{"WEBHOOK_MAX_IN_FLIGHT": "64"})
	for _, v := range []float64{0.5, 0.7, 0.6} {
		s.Add(report.Rate, "deliveries/s", v*20_000)
		s.Add(report.Ratio, "", v)
	}
	s.Aim(report.Ratio, report.Goal{Least: 0.65})
	s.Aim("never measured", report.Goal{Least: 1})
	l := report.NewSamples("100/s", nil)
	l.AddLatency(stat.Latency{P50: 1500 * time.Microsecond, P90: 2 * time.Millisecond, P99: 9 * time.Millisecond, Max: 123456 * time.Microsecond})
	l.Aim(report.P99, report.Goal{Most: 10})
	return report.Document{
		Scale: 0.1, Runs: 3, Commit: "abc", Took: report.SecondsOf(90*time.Second + 40*time.Millisecond),
		Cases: []report.Case{
			{Name: "burst", About: "Many at once.", Rows: []report.Row{s.Row()}},
			{Name: "latency", Rows: []report.Row{l.Row()}, Error: "it\nbroke"},
		},
	}
}

func TestMarkdown(t *testing.T) {
	t.Parallel()
	text := report.Markdown(document())
	for _, want := range []string{
		"commit abc", "sizes × 0.100", "It took 1.50 minutes",
		"The goals are for sizes × 1",
		"| burst, by NATS | 12000 (10000–14000) | 0.600 (0.500–0.700), ≥ 0.650 ✗ |",
		"| latency, 100/s | 1.50 | 2 | 9, ≤ 10 ✓ | 123 |",
		"With `WEBHOOK_MAX_IN_FLIGHT=64`.",
		"| p99 | ms | 9 | 9 | 9 | ≤ 10 ✓ |",
		"**Not finished:** it broke",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "never measured") {
		t.Error("a goal without a measure is shown")
	}
}

func TestWriteCanBeReadBack(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "new")
	if err := report.Write(folder, document()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(folder, "bench.json"))
	if err != nil {
		t.Fatal(err)
	}
	var d report.Document
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	row, ok := d.Row("burst", "by NATS")
	if !ok {
		t.Fatal("no such row")
	}
	m, ok := row.Measure(report.Ratio)
	if !ok || m.Median != 0.6 || m.Min != 0.5 || m.Max != 0.7 || !slices.Equal(m.Runs, []float64{0.5, 0.7, 0.6}) {
		t.Errorf("%+v", m)
	}
	for _, name := range [][2]string{{"burst", "other"}, {"other", "by NATS"}} {
		if _, ok := d.Row(name[0], name[1]); ok {
			t.Errorf("%v is there", name)
		}
	}
	if _, ok := row.Measure("other"); ok {
		t.Error("a measure that was not made is there")
	}
}

func TestGoal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		goal  report.Goal
		value float64
		met   bool
	}{
		{report.Goal{Least: 2}, 2, true},
		{report.Goal{Least: 2}, 1.99, false},
		{report.Goal{Most: 2}, 2, true},
		{report.Goal{Most: 2}, 2.01, false},
		{report.Goal{Least: 1, Most: 2}, 3, false},
	} {
		if c.goal.Met(c.value) != c.met {
			t.Errorf("%+v with %v", c.goal, c.value)
		}
	}
}
