package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Write writes a document as bench.json and bench.md into a folder.
func Write(folder string, d Document) error {
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	err = errors.Join(
		os.MkdirAll(folder, 0o755), //nolint:gosec // any user may read a report
		os.WriteFile(filepath.Join(folder, "bench.json"), append(text, '\n'), 0o644), //nolint:gosec // likewise
		os.WriteFile(filepath.Join(folder, "bench.md"), []byte(Markdown(d)), 0o644))  //nolint:gosec // likewise
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// Markdown returns a document for people: the machine, a table over all cases,
// and all that was measured.
func Markdown(d Document) string {
	var b strings.Builder
	m := d.Machine
	fmt.Fprintf(&b, "Measured on %s, commit %s: %s, %d cores, %.0f GiB of memory, Linux %s, %s, nats-server %s, PostgreSQL %s. "+
		"Seed %d; sizes × %s; each figure is the median of %d runs (least to most). It took %s minutes; before it, %s processes wanted to run.\n\n",
		d.Began.Format("2006-01-02"), d.Commit, m.CPU, m.Cores, float64(m.Memory)/(1<<30), m.Kernel, m.Go, m.NATS, m.Postgres,
		d.Seed, Number(d.Scale), d.Runs, Number(float64(d.Took)/60), Number(m.Load))
	if d.Scale != 1 {
		b.WriteString("The goals are for sizes × 1: these figures say little about them.\n\n")
	}
	rates(&b, d)
	latencies(&b, d)
	for _, c := range d.Cases {
		details(&b, c)
	}
	return b.String()
}

// rates is the table of everything that has a rate against the bare loop.
func rates(b *strings.Builder, d Document) {
	var rows []string
	for _, c := range d.Cases {
		for _, r := range c.Rows {
			if _, ok := r.Measure(Ratio); !ok {
				continue
			}
			rows = append(rows, line(c.Name+", "+r.Name,
				spread(r, Rate), spread(r, Ratio), median(r, CPU("dispatcher")), median(r, CPURatio), median(r, AllCPU), median(r, Peak("dispatcher")), median(r, Others)))
		}
	}
	if len(rows) == 0 {
		return
	}
	b.WriteString(line("case", "deliveries/s", "of the bare loop", "dispatcher CPU µs", "× bare client", "all CPU µs", "dispatcher peak MiB", "others, % of the cores"))
	b.WriteString("|---|---|---|---|---|---|---|---|\n" + strings.Join(rows, "") + "\n")
}

// latencies is the table of everything that has percentiles.
func latencies(b *strings.Builder, d Document) {
	var rows []string
	for _, c := range d.Cases {
		for _, r := range c.Rows {
			if _, ok := r.Measure(P99); ok {
				rows = append(rows, line(c.Name+", "+r.Name, spread(r, P50), spread(r, P90), spread(r, P99), spread(r, Max)))
			}
		}
	}
	if len(rows) == 0 {
		return
	}
	b.WriteString(line("case", "p50 ms", "p90 ms", "p99 ms", "max ms"))
	b.WriteString("|---|---|---|---|---|\n" + strings.Join(rows, "") + "\n")
}

func details(b *strings.Builder, c Case) {
	fmt.Fprintf(b, "## %s\n\n%s\n\n", c.Name, c.About)
	if c.Error != "" {
		fmt.Fprintf(b, "**Not finished:** %s\n\n", strings.ReplaceAll(c.Error, "\n", " "))
	}
	for _, r := range c.Rows {
		fmt.Fprintf(b, "### %s, %s\n\n", c.Name, r.Name)
		if len(r.Settings) > 0 {
			var set []string
			for _, name := range slices.Sorted(maps.Keys(r.Settings)) {
				set = append(set, "`"+name+"="+r.Settings[name]+"`")
			}
			b.WriteString("With " + strings.Join(set, ", ") + ".\n\n")
		}
		b.WriteString(line("measure", "unit", "median", "least", "most", "goal") + "|---|---|---|---|---|---|\n")
		for _, m := range r.Measures {
			b.WriteString(line(m.Name, m.Unit, Number(m.Median), Number(m.Min), Number(m.Max), goal(m)))
		}
		b.WriteString("\n")
	}
}

func line(cells ...string) string { return "| " + strings.Join(cells, " | ") + " |\n" }

// spread returns a measure as median (least to most) with its goal, "" when it
// was not measured.
func spread(r Row, name string) string {
	m, ok := r.Measure(name)
	if !ok {
		return ""
	}
	text := Number(m.Median)
	if len(m.Runs) > 1 {
		text += " (" + Number(m.Min) + "–" + Number(m.Max) + ")"
	}
	if g := goal(m); g != "" {
		text += ", " + g
	}
	return text
}

func median(r Row, name string) string {
	m, ok := r.Measure(name)
	if !ok {
		return ""
	}
	text := Number(m.Median)
	if g := goal(m); g != "" {
		text += ", " + g
	}
	return text
}

// goal returns what a measure should reach and whether it does, "" without a
// goal.
func goal(m Measure) string {
	if m.Goal == nil {
		return ""
	}
	var text []string
	if m.Goal.Least != 0 {
		text = append(text, "≥ "+Number(m.Goal.Least))
	}
	if m.Goal.Most != 0 {
		text = append(text, "≤ "+Number(m.Goal.Most))
	}
	verdict := " ✗"
	if m.Goal.Met(m.Median) {
		verdict = " ✓"
	}
	return strings.Join(text, ", ") + verdict
}

// Number returns v with about three significant digits, and whole from 100 on.
func Number(v float64) string {
	switch size := math.Abs(v); {
	case v == math.Trunc(v) || size >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case size >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case size >= 1:
		return strconv.FormatFloat(v, 'f', 2, 64)
	default:
		return strconv.FormatFloat(v, 'f', 3, 64)
	}
}
