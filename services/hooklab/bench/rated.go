package bench

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/dialnote/webhooks/services/hooklab/bench/bare"
	"github.com/dialnote/webhooks/services/hooklab/bench/process"
	"github.com/dialnote/webhooks/services/hooklab/bench/report"
	"github.com/dialnote/webhooks/services/hooklab/bench/sink"
	"github.com/dialnote/webhooks/services/hooklab/bench/stat"
	"github.com/dialnote/webhooks/services/hooklab/bench/system"
)

const (
	// inFlight is how many requests the bare loop has at once, and how many
	// attempts one webhook where it is alone.
	inFlight = 64

	// patience is how long nothing may arrive before a run has failed.
	patience = time.Minute
)

// rated is a measurement of a rate beside the bare loop.
type rated struct {
	name       string
	deliveries int
	stride     int // of the receiver's plan
	mark       int // likewise

	// bare is the loop to compare with: its hosts, and how they are reached.
	bare bare.Plan

	// prepare, when set, does what is not measured.
	prepare func(ctx context.Context, run string) error

	// do sets the deliveries going and returns from when on they are counted;
	// the zero time means from the first arrival on. It may add measures.
	do func(ctx context.Context, run string, into *report.Samples) (time.Time, error)

	// after, when set, adds measures when everything has settled.
	after func(ctx context.Context, into *report.Samples) error
}

// rated makes all runs of a measurement, each between two bare loops, and
// returns what it found.
func (b *bench) rated(ctx context.Context, s *system.System, r rated) (*report.Samples, error) {
	into := report.NewSamples(r.name, s.Settings())
	before, err := b.bareLoop(ctx, s, r)
	if err != nil {
		return nil, err
	}
	for range b.Runs {
		counted, err := b.ratedRun(ctx, s, r, into)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.name, err)
		}
		after, err := b.bareLoop(ctx, s, r)
		if err != nil {
			return nil, err
		}
		loop := bare.Report{Rate: (before.Rate + after.Rate) / 2, CPU: (before.CPU + after.CPU) / 2}
		compare(into, counted, loop)
		before = after
	}
	return into, nil
}

// bareLoop measures the bare loop with as many requests as r has deliveries, at
// most 50,000: two seconds or so.
func (b *bench) bareLoop(ctx context.Context, s *system.System, r rated) (bare.Report, error) {
	p := r.bare
	p.Run, p.Count, p.InFlight = b.runID(), min(r.deliveries, 50_000), inFlight
	if err := s.Sink.Expect(ctx, sink.Plan{Slots: p.Count}); err != nil {
		return bare.Report{}, err
	}
	return s.Bare(ctx, p)
}

// counted is what one run used.
type counted struct {
	rate       float64
	dispatcher float64 // µs of the dispatchers' processor time for each delivery
}

func (b *bench) ratedRun(ctx context.Context, s *system.System, r rated, into *report.Samples) (counted, error) {
	run := b.runID()
	if r.prepare != nil {
		if err := r.prepare(ctx, run); err != nil {
			return counted{}, err
		}
	}
	if err := s.Sink.Expect(ctx, sink.Plan{Slots: r.deliveries, Stride: r.stride, Mark: r.mark}); err != nil {
		return counted{}, err
	}
	kept, err := s.Keeps(ctx)
	if err != nil {
		return counted{}, err
	}
	m, err := begin(s)
	if err != nil {
		return counted{}, err
	}
	profiled := b.profile(ctx, s, r.name, run)
	began, err := r.do(ctx, run, into)
	if err != nil {
		return counted{}, err
	}
	counts, err := s.Sink.Wait(ctx, r.deliveries, patience)
	if err != nil {
		return counted{}, err
	}
	if err := <-profiled; err != nil {
		return counted{}, err
	}
	if err := s.Settled(ctx); err != nil {
		return counted{}, err
	}
	settled := time.Since(time.Unix(0, counts.Last))
	rate := rateOf(counts, began)
	into.Add(report.Rate, "deliveries/s", rate)
	used, err := m.end(s, r.deliveries, "delivery", into)
	if err != nil {
		return counted{}, err
	}
	if err := addKept(ctx, s, kept, r.deliveries, into); err != nil {
		return counted{}, err
	}
	into.Add("recorded and acknowledged after", "ms", report.Milliseconds(settled))
	into.Add("duplicates", "deliveries", float64(counts.Duplicates))
	if r.after != nil {
		if err := r.after(ctx, into); err != nil {
			return counted{}, err
		}
	}
	return counted{rate: rate, dispatcher: used}, nil
}

// addKept adds what n deliveries left behind, and which share of them went by a
// lane: each of those is stored, recorded and read once more.
func addKept(ctx context.Context, s *system.System, before system.Kept, n int, into *report.Samples) error {
	if s.NATS == nil || s.DB == nil {
		return nil
	}
	after, err := s.Keeps(ctx)
	if err != nil {
		return err
	}
	into.Add("went by a lane", "% of the deliveries", 100*stat.Ratio(float64(after.Laned-before.Laned), float64(n)))
	into.Add("database grew by", "bytes/delivery", stat.Ratio(float64(after.Database-before.Database), float64(n)))
	if after.Events > before.Events { // not where they were queued before, which is not watched
		into.Add("event stream grew by", "bytes/delivery", stat.Ratio(float64(after.Events-before.Events), float64(n)))
	}
	return nil
}

func rateOf(c sink.Counts, began time.Time) float64 {
	first, n := began.UnixNano(), float64(c.Arrived)
	if began.IsZero() {
		first, n = c.First, n-1 // the first is where the time begins
	}
	return stat.Ratio(n, time.Duration(c.Last-first).Seconds())
}

func compare(into *report.Samples, c counted, loop bare.Report) {
	into.Add(report.Ratio, "", stat.Ratio(c.rate, loop.Rate))
	into.Add(report.BareRate, "requests/s", loop.Rate)
	into.Add(report.CPU("bare client"), "µs/request", report.Microseconds(loop.CPU))
	into.Add(report.CPURatio, "", stat.Ratio(c.dispatcher, report.Microseconds(loop.CPU)))
}

// meter measures what the parts use in a time.
type meter struct {
	at    time.Time
	busy  time.Duration
	usage map[string]process.Usage
}

func begin(s *system.System) (meter, error) {
	if err := s.ForgetPeaks(); err != nil {
		return meter{}, err
	}
	usage, err := s.Usage()
	if err != nil {
		return meter{}, err
	}
	busy, err := process.Busy()
	return meter{at: time.Now(), busy: busy, usage: usage}, err
}

// end adds what each part used for each of n things, and returns the
// microseconds of those that deliver: dispatchers, or standalone.
func (m meter) end(s *system.System, n int, thing string, into *report.Samples) (delivering float64, err error) {
	busy, err := process.Busy()
	if err != nil {
		return 0, err
	}
	usage, err := s.Usage()
	if err != nil {
		return 0, err
	}
	var ours, all time.Duration
	for _, part := range parts() {
		after, runs := usage[part]
		if !runs {
			continue
		}
		used := after.CPU - m.usage[part].CPU
		each := report.Microseconds(used) / float64(n)
		into.Add(report.CPU(part), "µs/"+thing, each)
		ours += used
		if part != system.Publisher {
			all += used
		}
		if part == system.Dispatcher || part == system.Standalone {
			delivering += each
		}
		if part != system.Postgres && part != system.Receiver && part != system.Publisher {
			into.Add(report.Peak(part), "MiB", report.Mebibytes(after.Peak))
		}
	}
	into.Add(report.AllCPU, "µs/"+thing, report.Microseconds(all)/float64(n))
	whole := time.Since(m.at) * time.Duration(runtime.NumCPU())
	into.Add(report.Others, "% of the cores", 100*stat.Ratio(float64(max(0, busy-m.busy-ours)), float64(whole)))
	return delivering, nil
}

// parts are the parts in the order of a report.
func parts() []string {
	return []string{
		system.Dispatcher, system.Standalone, system.ConfigAPI, system.NATS, system.Postgres, system.Receiver, system.Publisher,
	}
}
