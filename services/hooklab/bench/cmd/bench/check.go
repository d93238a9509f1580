package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/dialnote/webhooks/services/hooklab/bench"
	"github.com/dialnote/webhooks/services/hooklab/bench/baseline"
	"github.com/dialnote/webhooks/services/hooklab/bench/report"
)

// check measures briefly and fails when a ratio is worse than it may be. With
// -update it writes down the new ones instead.
func check(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c := bench.Config{Progress: stderr}
	flags := flagsOf("check", stderr, &c)
	file := flags.String("baseline", "services/hooklab/bench/baseline.json", "the committed ratios")
	update := flags.Bool("update", false, "commit to the ratios measured now")
	if err := parse(flags, args, &c); err != nil {
		return err
	}
	committed, err := baseline.Read(*file)
	if err != nil {
		return err
	}
	found, err := bench.Check(ctx, c)
	if err != nil {
		return err
	}
	for _, one := range found.Cases {
		if one.Error != "" {
			return errors.New(one.Error)
		}
	}
	if *update {
		renewed, err := committed.Renewed(found)
		if err != nil {
			return err
		}
		return renewed.Write(*file)
	}
	lines, err := committed.Compare(found)
	for _, line := range lines {
		_, _ = fmt.Fprintln(stdout, line)
	}
	if others := busiest(found); others > quiet {
		_, _ = fmt.Fprintf(stdout, "other programs took %.0f%% of the cores: a rate says little then, run it again\n", others)
	}
	return err
}

// quiet is what other programs may take of the cores, in per cent, before rates
// say little.
const quiet = 10

// busiest returns what other programs took of the cores, in per cent, in the row
// where it was most.
func busiest(d report.Document) (most float64) {
	for _, c := range d.Cases {
		for _, r := range c.Rows {
			m, _ := r.Measure(report.Others)
			most = max(most, m.Median)
		}
	}
	return most
}
