package bench

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/services/hooklab/bench/report"
	"github.com/dialnote/webhooks/services/hooklab/bench/specimen"
	"github.com/dialnote/webhooks/services/hooklab/bench/system"
)

func embedded() Case {
	return Case{
		Name: "embedded",
		About: "50,000 events to one webhook on standalone with SQLite and its own NATS server, which only the API reaches: through the API, with the NATS server's " +
			"default of syncing at intervals and with syncing before each acknowledgement; and found already queued when it starts.",
		Limit: 10 * time.Minute,
		run: func(ctx context.Context, b *bench) error {
			for _, c := range []struct{ name, sync string }{
				{"through the API, sync at intervals", "2m"},
				{"through the API, sync always", "always"},
			} {
				err := b.withStandalone(ctx, c.sync, func(ctx context.Context, s *system.System) error {
					r := b.burstByAPI(s, b.size(manyEvents, 1000))
					r.name = c.name
					found, err := b.rated(ctx, s, r)
					if err != nil {
						return err
					}
					if c.sync != "always" {
						found.Aim(report.Ratio, report.Goal{Least: 0.5})
					}
					b.emit(found)
					return nil
				})
				if err != nil {
					return err
				}
			}
			return b.withStandalone(ctx, "2m", func(ctx context.Context, s *system.System) error {
				found, err := b.rated(ctx, s, b.embeddedDrain(s, b.size(manyEvents, 1000)))
				if err != nil {
					return err
				}
				b.emit(found)
				return nil
			})
		},
	}
}

func (b *bench) withStandalone(ctx context.Context, sync string, do func(ctx context.Context, s *system.System) error) error {
	settings := maps.Clone(oneWebhook())
	settings["NATS_SYNC"] = sync
	return b.with(ctx, system.Options{Embedded: true, Settings: settings}, func(ctx context.Context, s *system.System) error {
		if _, err := s.Webhook(ctx, specimen.Organization(1), s.Sink.HTTP+"/ok/0", event.CallCompleted); err != nil {
			return err
		}
		if err := s.API.Publish(ctx, b.size(5000, 500), publishers, toOne(b.runID())); err != nil {
			return err
		}
		if err := s.Settled(ctx); err != nil {
			return err
		}
		return do(ctx, s)
	})
}

// embeddedDrain queues events with a NATS server on standalone's files while
// standalone is stopped.
func (b *bench) embeddedDrain(s *system.System, n int) rated {
	return rated{
		name: "found at the start", deliveries: n, bare: bareHTTP(s),
		prepare: func(ctx context.Context, run string) error {
			if err := s.StopStandalone(); err != nil {
				return err
			}
			if err := s.StartNATS(ctx, s.StandaloneNATS()); err != nil {
				return err
			}
			return errors.Join(s.NATS.Pipelined(ctx, n, toOne(run)), s.StopNATS())
		},
		do: func(ctx context.Context, _ string, _ *report.Samples) (time.Time, error) {
			return time.Time{}, s.StartStandalone(ctx)
		},
	}
}
