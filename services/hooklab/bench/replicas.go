package bench

import (
	"context"
	"strconv"
	"time"

	"github.com/dialnote/webhooks/services/hooklab/bench/system"
)

func replicas() Case {
	return Case{
		Name:  "replicas",
		About: "50,000 queued events to one webhook, released to 1, 2 and 4 dispatchers on the same machine.",
		Limit: 8 * time.Minute,
		run: func(ctx context.Context, b *bench) error {
			return b.withOne(ctx, system.Options{Dispatchers: 1, Settings: oneWebhook()}, overHTTP, func(ctx context.Context, s *system.System) error {
				for _, n := range []int{1, 2, 4} {
					for len(s.Dispatchers) < n {
						if err := s.AddDispatcher(ctx); err != nil {
							return err
						}
					}
					if err := b.warm(ctx, s, 1); err != nil {
						return err
					}
					found, err := b.rated(ctx, s, b.drainOf(s, strconv.Itoa(n), b.size(manyEvents, 1000)))
					if err != nil {
						return err
					}
					b.emit(found)
				}
				return nil
			})
		},
	}
}
