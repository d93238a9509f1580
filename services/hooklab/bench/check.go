package bench

import (
	"context"
	"time"

	"github.com/dialnote/webhooks/services/hooklab/bench/report"
	"github.com/dialnote/webhooks/services/hooklab/bench/system"
)

// Check measures burst and latency briefly, for the guard against regressions.
func Check(ctx context.Context, c Config) (report.Document, error) {
	c.Scale = 1
	return run(ctx, c, []Case{guard()})
}

func guard() Case {
	const (
		events = 20_000
		rate   = 100
		during = 5 * time.Second
	)
	return Case{
		Name:  "check",
		About: "20,000 events to one webhook over NATS; and 100 events/s for 5 s.",
		Limit: 5 * time.Minute,
		run: func(ctx context.Context, b *bench) error {
			return b.withOne(ctx, system.Options{Dispatchers: 1, Settings: oneWebhook()}, overHTTP, func(ctx context.Context, s *system.System) error {
				found, err := b.rated(ctx, s, b.burstByNATS(s, events))
				if err != nil {
					return err
				}
				b.emit(found)
				if found, err = b.steadily(ctx, s, rate, during); err != nil {
					return err
				}
				b.emit(found)
				return nil
			})
		},
	}
}
