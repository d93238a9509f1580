package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/dialnote/webhooks/services/hooklab/bench/report"
	"github.com/dialnote/webhooks/services/hooklab/bench/sink"
	"github.com/dialnote/webhooks/services/hooklab/bench/stat"
	"github.com/dialnote/webhooks/services/hooklab/bench/system"
)

func latency() Case {
	return Case{
		Name:  "latency",
		About: "From publishing over NATS to the request's arrival at the receiver, at steady rates for 30 s; beside it the bare client's requests at the same rates, from sending to arrival.",
		Limit: 8 * time.Minute,
		run: func(ctx context.Context, b *bench) error {
			return b.withOne(ctx, system.Options{Dispatchers: 1}, overHTTP, func(ctx context.Context, s *system.System) error {
				for _, c := range []struct {
					rate int
					aim  map[string]float64
				}{
					{100, map[string]float64{report.P50: 2, report.P99: 10}},
					{1000, map[string]float64{report.P99: 25}},
				} {
					found, err := b.steadily(ctx, s, c.rate, b.time(30*time.Second))
					if err != nil {
						return err
					}
					for name, most := range c.aim {
						found.Aim(name, report.Goal{Most: most})
					}
					b.emit(found)
				}
				return nil
			})
		},
	}
}

// The latency against the bare client's, for the guard against regressions.
const (
	p50OfBare = "p50 of the bare client's"
	p99OfBare = "p99 of the bare client's"
)

// steadily measures the latency at a rate, run by run, each with the bare
// client's.
func (b *bench) steadily(ctx context.Context, s *system.System, rate int, during time.Duration) (*report.Samples, error) {
	into := report.NewSamples(fmt.Sprintf("%d events/s", rate), s.Settings())
	n, every := countOf(rate, during)
	for range b.Runs {
		loop, err := b.bareSteadily(ctx, s, n, every)
		if err != nil {
			return nil, err
		}
		m, err := begin(s)
		if err != nil {
			return nil, err
		}
		got, err := b.steady(ctx, s, n, every)
		if err != nil {
			return nil, err
		}
		if err := s.Settled(ctx); err != nil {
			return nil, err
		}
		into.AddLatency(got)
		into.Add(p50OfBare, "", stat.Ratio(float64(got.P50), float64(loop.P50)))
		into.Add(p99OfBare, "", stat.Ratio(float64(got.P99), float64(loop.P99)))
		into.Add("bare p50", "ms", report.Milliseconds(loop.P50))
		into.Add("bare p99", "ms", report.Milliseconds(loop.P99))
		if _, err := m.end(s, n, "delivery", into); err != nil {
			return nil, err
		}
	}
	return into, nil
}

func countOf(rate int, during time.Duration) (n int, every time.Duration) {
	return int(during.Seconds() * float64(rate)), time.Second / time.Duration(rate)
}

// steady publishes n events for organization 1 at a pace and returns their
// latency.
func (b *bench) steady(ctx context.Context, s *system.System, n int, every time.Duration) (stat.Latency, error) {
	return b.steadyTo(ctx, s, 1, n, every)
}

func (b *bench) bareSteadily(ctx context.Context, s *system.System, n int, every time.Duration) (stat.Latency, error) {
	p := bareHTTP(s)
	p.Run, p.Count, p.InFlight, p.Every = b.runID(), n, inFlight, every
	if err := s.Sink.Expect(ctx, sink.Plan{Slots: n, Times: true}); err != nil {
		return stat.Latency{}, err
	}
	loop, err := s.Bare(ctx, p)
	if err != nil {
		return stat.Latency{}, err
	}
	return arrivals(ctx, s, loop.Sent)
}

// arrivals waits for all that was sent and returns how long each took.
func arrivals(ctx context.Context, s *system.System, sent []int64) (stat.Latency, error) {
	if _, err := s.Sink.Wait(ctx, len(sent), patience); err != nil {
		return stat.Latency{}, err
	}
	times, err := s.Sink.Times(ctx)
	if err != nil {
		return stat.Latency{}, err
	}
	return latencyOf(sent, times, 1), nil
}

// latencyOf returns the latency of events that went to some webhooks each: from
// sending to the arrival of the last.
func latencyOf(sent, arrived []int64, webhooks int) stat.Latency {
	took := make([]time.Duration, 0, len(sent))
	for i, at := range sent {
		last := int64(0)
		for _, arrival := range arrived[i*webhooks : (i+1)*webhooks] {
			last = max(last, arrival)
		}
		took = append(took, time.Duration(last-at))
	}
	return stat.LatencyOf(took)
}
