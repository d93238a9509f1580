package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/proto"
	"github.com/dialnote/webhooks/services/hooklab/bench/report"
	"github.com/dialnote/webhooks/services/hooklab/bench/sink"
	"github.com/dialnote/webhooks/services/hooklab/bench/specimen"
	"github.com/dialnote/webhooks/services/hooklab/bench/stat"
	"github.com/dialnote/webhooks/services/hooklab/bench/system"
)

const (
	floods          = 2 // organization whose events arrive at once
	usualPartitions = 8
)

func arrival() Case {
	return Case{
		Name: "arrival",
		About: "A healthy webhook gets 50 events/s for 20 s: alone; and while 100,000 events arrive at once for another one that hangs for 10 s at every attempt, " +
			"whose organization is in another partition of the events, or in the same.",
		Limit: 15 * time.Minute,
		run: func(ctx context.Context, b *bench) error {
			rows := map[string]*report.Samples{}
			for _, row := range []string{"alone", "a flood in another partition", "a flood in the same partition"} {
				for range b.Runs {
					o := system.Options{Dispatchers: 1, Settings: map[string]string{"DELIVERY_TIMEOUT": "10s"}}
					err := b.withOne(ctx, o, overHTTP, func(ctx context.Context, s *system.System) error {
						if rows[row] == nil {
							rows[row] = report.NewSamples(row, s.Settings())
						}
						return b.arrives(ctx, s, row, rows[row])
					})
					if err != nil {
						return err
					}
				}
				rows[row].Aim(report.P99, report.Goal{Most: 500})
				b.emit(rows[row])
			}
			return nil
		},
	}
}

// arrives measures one row in a system that is new.
func (b *bench) arrives(ctx context.Context, s *system.System, row string, into *report.Samples) error {
	watched := neighbour(floods, row == "a flood in the same partition")
	for _, hook := range []struct {
		organization int
		path         string
	}{{watched, "/ok/0"}, {floods, "/hang"}} {
		if _, err := s.Webhook(ctx, specimen.Organization(hook.organization), s.Sink.HTTP+hook.path, event.CallCompleted); err != nil {
			return err
		}
	}
	flood, flooded := toOrganization(floods, b.runID()), make(chan error, 1)
	go func() {
		if row == "alone" {
			flooded <- nil
			return
		}
		if err := sleep(ctx, time.Second); err != nil {
			flooded <- err
			return
		}
		flooded <- s.NATS.Pipelined(ctx, b.size(100_000, 2000), flood)
	}()
	count, every := countOf(healthyRate, b.time(20*time.Second))
	got, err := b.steadyTo(ctx, s, watched, count, every)
	if failed := <-flooded; err == nil {
		err = failed
	}
	if err != nil {
		return err
	}
	into.AddLatency(got)
	b.say("  %s: p50 %s, p99 %s, max %s", row, got.P50, got.P99, got.Max)
	return nil
}

// neighbour returns an organization whose events are in the same partition as those
// of another one, or are not.
func neighbour(of int, same bool) int {
	partition := proto.Partition(specimen.Organization(of), usualPartitions)
	for n := of + 1; ; n++ {
		if (proto.Partition(specimen.Organization(n), usualPartitions) == partition) == same {
			return n
		}
	}
}

// steadyTo publishes n events for an organization at a pace and returns their
// latency.
func (b *bench) steadyTo(ctx context.Context, s *system.System, organization, n int, every time.Duration) (stat.Latency, error) {
	if err := s.Sink.Expect(ctx, sink.Plan{Slots: n, Times: true}); err != nil {
		return stat.Latency{}, err
	}
	sent, err := s.NATS.Paced(ctx, n, every, toOrganization(organization, b.runID()))
	if err != nil {
		return stat.Latency{}, fmt.Errorf("publish to organization %d: %w", organization, err)
	}
	return arrivals(ctx, s, sent)
}
