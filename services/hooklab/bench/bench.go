// Package bench measures the whole system, as real processes on loopback,
// against a bare net/http loop to the same receiver.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/dialnote/webhooks/services/hooklab/bench/machine"
	"github.com/dialnote/webhooks/services/hooklab/bench/report"
	"github.com/dialnote/webhooks/services/hooklab/bench/system"
)

// Config says what to measure.
type Config struct {
	Programs string    // folder of the built programs
	Self     string    // this program
	Cases    []string  // names, in order; none for all
	Runs     int       // of each measurement
	Scale    float64   // of the sizes and times; 1 is what the goals are for
	Seed     uint64    // of what is drawn at random
	Progress io.Writer // for the terminal

	// Profile is how long the processor profile of the first dispatcher is that
	// each run of a rate writes into ProfileFolder; 0 for none. A profile costs
	// a little: its run's figures are not for a report.
	Profile       time.Duration
	ProfileFolder string
}

// Case is one part of the benchmark.
type Case struct {
	Name  string
	About string        // what is measured, for the report
	Limit time.Duration // at scale 1 and three runs

	run func(ctx context.Context, b *bench) error
}

// Cases returns all cases, in their order.
func Cases() []Case {
	return []Case{
		burst(), drain(), latency(), fanout(), many(), noisy(), arrival(), outage(), disabled(), https(), backlog(),
		scale(), replicas(), api(), embedded(), durable(),
	}
}

// ErrUnknownCase says that there is no case of that name.
var ErrUnknownCase = errors.New("no such case")

// bench is a benchmark being carried out.
type bench struct {
	Config

	machine machine.Machine
	current string       // the case that runs
	rows    []report.Row // its rows
	runs    int          // ids given out
}

// Run runs cases and returns what they found. A case that fails is in the
// document with its error; the others run all the same. The end of ctx ends it
// early, with an error, after everything was stopped and removed.
func Run(ctx context.Context, c Config) (report.Document, error) {
	chosen, err := choose(c.Cases)
	if err != nil {
		return report.Document{}, err
	}
	return run(ctx, c, chosen)
}

func run(ctx context.Context, c Config, chosen []Case) (report.Document, error) {
	began := time.Now()
	b := &bench{Config: c, machine: machine.Describe()}
	d := report.Document{Commit: machine.Commit(), Began: began.UTC(), Seed: c.Seed, Runs: c.Runs, Scale: c.Scale}
	for _, one := range chosen {
		if ctx.Err() != nil {
			break
		}
		d.Cases = append(d.Cases, b.runCase(ctx, one))
	}
	d.Machine, d.Took = b.machine, report.SecondsOf(time.Since(began))
	if err := ctx.Err(); err != nil {
		return d, fmt.Errorf("benchmark: %w", context.Cause(ctx))
	}
	return d, nil
}

func choose(names []string) ([]Case, error) {
	all := Cases()
	if len(names) == 0 {
		return all, nil
	}
	var chosen []Case
	for _, name := range names {
		at := slices.IndexFunc(all, func(c Case) bool { return c.Name == name })
		if at < 0 {
			return nil, fmt.Errorf("%w: %q; there are %s", ErrUnknownCase, name, strings.Join(namesOf(all), ", "))
		}
		chosen = append(chosen, all[at])
	}
	return chosen, nil
}

func namesOf(cases []Case) []string {
	list := make([]string, 0, len(cases))
	for _, c := range cases {
		list = append(list, c.Name)
	}
	return list
}

// runCase runs one case within its time.
func (b *bench) runCase(ctx context.Context, c Case) report.Case {
	began := time.Now()
	b.current, b.rows = c.Name, nil
	b.say("%s: %s", c.Name, c.About)
	limit := c.limit(b.Runs, b.Scale)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("the case took more than %s", limit.Round(time.Second)))
	defer cancel()
	err := c.run(ctx, b)
	done := report.Case{Name: c.Name, About: c.About, Rows: b.rows, Took: report.SecondsOf(time.Since(began))}
	if err != nil {
		done.Error = err.Error()
		b.say("%s FAILED: %v", c.Name, err)
	}
	b.say("%s took %s", c.Name, time.Since(began).Round(100*time.Millisecond))
	return done
}

// limit returns how long a case may take. Starts and fillings take their time
// at any scale.
func (c Case) limit(runs int, scale float64) time.Duration {
	const least = 3 * time.Minute
	return least + time.Duration(float64(c.Limit)*max(0.1, scale)*float64(max(3, runs))/3)
}

func (b *bench) say(format string, args ...any) {
	_, _ = fmt.Fprintf(b.Progress, time.Now().Format("15:04:05 ")+format+"\n", args...) // the reader may have left
}

// size returns n at the benchmark's scale, at least the number that still means
// something.
func (b *bench) size(n, least int) int { return max(least, int(float64(n)*b.Scale)) }

// time returns d at the benchmark's scale, at least 2 seconds.
func (b *bench) time(d time.Duration) time.Duration {
	return max(2*time.Second, time.Duration(float64(d)*b.Scale))
}

// runID returns a new part of events' ids.
func (b *bench) runID() string {
	b.runs++
	return fmt.Sprintf("r%03d", b.runs)
}

// random returns the generator of a purpose: the same numbers in every
// benchmark with this seed.
func (b *bench) random(purpose uint64) *rand.Rand {
	return rand.New(rand.NewPCG(b.Seed, purpose)) //nolint:gosec // repeatable on purpose
}

// with starts a system, calls do with it, and stops it in any case.
func (b *bench) with(ctx context.Context, o system.Options, do func(ctx context.Context, s *system.System) error) (err error) {
	o.Programs, o.Self = b.Programs, b.Self
	o.Random = b.secrets()
	if b.Profile > 0 {
		o.Settings = maps.Clone(o.Settings)
		if o.Settings == nil {
			o.Settings = map[string]string{}
		}
		o.Settings["PROFILES"] = "true"
	}
	s, ctx, err := system.Start(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	nats, postgres, err := s.Versions(ctx)
	if err != nil {
		return err
	}
	b.machine.NATS, b.machine.Postgres = or(b.machine.NATS, nats), or(b.machine.Postgres, postgres)
	return do(ctx, s)
}

func or(known, found string) string {
	if known != "" {
		return known
	}
	return found
}

// emit adds a row to the case that runs.
func (b *bench) emit(s *report.Samples) {
	row := s.Row()
	b.rows = append(b.rows, row)
	for _, m := range row.Measures {
		if m.Name == report.Rate || m.Name == report.Ratio || m.Name == report.P99 || m.Goal != nil {
			b.say("  %s: %s %s %s", row.Name, m.Name, report.Number(m.Median), m.Unit)
		}
	}
}
