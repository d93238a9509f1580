package bench

import (
	"context"
	"strconv"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/services/hooklab/bench/report"
	"github.com/dialnote/webhooks/services/hooklab/bench/sink"
	"github.com/dialnote/webhooks/services/hooklab/bench/specimen"
	"github.com/dialnote/webhooks/services/hooklab/bench/stat"
	"github.com/dialnote/webhooks/services/hooklab/bench/system"
)

// fan is how many webhooks an event goes to: as many as an organization may
// have.
const fan = 100

func fanout() Case {
	return Case{
		Name:  "fan-out",
		About: "One event to 100 webhooks of an organization: one at a time, from publishing to the last arrival; and 1,000 such events at once.",
		Limit: 6 * time.Minute,
		run: func(ctx context.Context, b *bench) error {
			return b.with(ctx, system.Options{Dispatchers: 1}, func(ctx context.Context, s *system.System) error {
				for n := range fan {
					if _, err := s.Webhook(ctx, specimen.Organization(1), s.Sink.HTTP+"/ok/"+strconv.Itoa(n), event.CallCompleted); err != nil {
						return err
					}
				}
				if err := b.warm(ctx, s, fan); err != nil {
					return err
				}
				found, err := b.lastArrivals(ctx, s)
				if err != nil {
					return err
				}
				b.emit(found)
				events := b.size(1000, 20)
				r := b.burstByNATS(s, events)
				r.name, r.deliveries, r.stride = "1,000 events at once", events*fan, fan
				if found, err = b.rated(ctx, s, r); err != nil {
					return err
				}
				fast(found)
				b.emit(found)
				return nil
			})
		},
	}
}

// lastArrivals publishes events so slowly that each is alone.
func (b *bench) lastArrivals(ctx context.Context, s *system.System) (*report.Samples, error) {
	const every = 100 * time.Millisecond
	into := report.NewSamples("one at a time", s.Settings())
	n := b.size(100, 10)
	for range b.Runs {
		if err := s.Sink.Expect(ctx, sink.Plan{Slots: n * fan, Stride: fan, Times: true}); err != nil {
			return nil, err
		}
		sent, err := s.NATS.Paced(ctx, n, every, toOne(b.runID()))
		if err != nil {
			return nil, err
		}
		if _, err := s.Sink.Wait(ctx, n*fan, patience); err != nil {
			return nil, err
		}
		times, err := s.Sink.Times(ctx)
		if err != nil {
			return nil, err
		}
		last := latencyOf(sent, times, fan)
		into.AddLatency(last)
		into.Add("a delivery's share of the median", "µs", stat.Ratio(report.Microseconds(last.P50), fan))
	}
	return into, nil
}
