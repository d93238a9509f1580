package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/dialnote/webhooks/services/hooklab/bench"
	"github.com/dialnote/webhooks/services/hooklab/bench/report"
)

// flagsOf returns the flags that both commands have.
func flagsOf(name string, stderr io.Writer, c *bench.Config) *flag.FlagSet {
	flags := flag.NewFlagSet("bench "+name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&c.Programs, "programs", "", "folder of config-api, dispatcher, standalone and nats-server; by default this program's own")
	flags.IntVar(&c.Runs, "runs", number("BENCH_RUNS", 3), "runs of each measurement, of which the median counts")
	flags.Uint64Var(&c.Seed, "seed", uint64(number("BENCH_SEED", 1)), "of what is drawn at random") //nolint:gosec // any number will do
	return flags
}

// number returns the whole number in a variable, or the default without one.
func number(variable string, otherwise int) int {
	n, err := strconv.Atoi(os.Getenv(variable))
	if err != nil {
		return otherwise
	}
	return n
}

// duration returns the duration in a variable, 0 without one.
func duration(variable string) time.Duration {
	d, err := time.ParseDuration(os.Getenv(variable))
	if err != nil {
		return 0
	}
	return d
}

func parse(flags *flag.FlagSet, args []string, c *bench.Config) error {
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return flag.ErrHelp
	} else if err != nil || flags.NArg() > 0 || c.Runs < 1 {
		flags.Usage()
		return errUsage
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	c.Self = self
	if c.Programs == "" {
		c.Programs = filepath.Dir(self)
	}
	if c.Programs, err = filepath.Abs(c.Programs); err != nil {
		return fmt.Errorf("find the programs: %w", err)
	}
	return nil
}

// measure runs the benchmark and writes its report, also when it was
// interrupted: what was measured until then stands.
func measure(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c := bench.Config{Progress: stderr}
	flags := flagsOf("run", stderr, &c)
	cases := flags.String("cases", os.Getenv("BENCH"), "cases to run, separated by commas; all when empty")
	scale := flags.String("scale", or(os.Getenv("BENCH_SCALE"), "1"), "of the sizes; less than 1 is for development")
	out := flags.String("out", or(os.Getenv("BENCH_OUT"), "bin/bench"), "folder of bench.md and bench.json")
	flags.DurationVar(&c.Profile, "profile", duration("BENCH_PROFILE"), "also write processor profiles of a dispatcher, this long, into the folder")
	if err := parse(flags, args, &c); err != nil {
		return err
	}
	c.ProfileFolder = *out
	var err error
	if c.Scale, err = strconv.ParseFloat(*scale, 64); err != nil || c.Scale <= 0 || c.Scale > 1 {
		_, _ = fmt.Fprintln(stderr, "the scale is more than 0 and at most 1")
		return errUsage
	}
	if *cases != "" {
		c.Cases = strings.Split(*cases, ",")
	}
	found, err := bench.Run(ctx, c)
	if len(found.Cases) > 0 {
		_, _ = io.WriteString(stdout, report.Markdown(found))
		err = errors.Join(err, report.Write(*out, found))
	}
	for _, one := range found.Cases {
		if one.Error != "" {
			err = errors.Join(err, fmt.Errorf("%s: %s", one.Name, one.Error)) //nolint:err113 // for people
		}
	}
	return err
}

func or(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}
