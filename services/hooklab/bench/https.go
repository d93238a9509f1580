package bench

import (
	"context"
	"time"

	"github.com/dialnote/webhooks/services/hooklab/bench/bare"
	"github.com/dialnote/webhooks/services/hooklab/bench/system"
)

func https() Case {
	return Case{
		Name:  "https",
		About: "The burst by NATS over TLS with kept connections, to a receiver of HTTP/1.1 and to one that offers HTTP/2; the bare loop goes to the same.",
		Limit: 6 * time.Minute,
		run: func(ctx context.Context, b *bench) error {
			for _, c := range []struct {
				name string
				url  func(*system.System) string
				bare func(*system.System) bare.Plan
			}{
				{"HTTP/1.1", func(s *system.System) string { return s.Sink.HTTPS }, func(s *system.System) bare.Plan {
					return bare.Plan{Hosts: []string{s.Sink.HTTPS}, Authority: s.Sink.Authority}
				}},
				{"HTTP/2", func(s *system.System) string { return s.Sink.HTTP2 }, func(s *system.System) bare.Plan {
					return bare.Plan{Hosts: []string{s.Sink.HTTP2}, Authority: s.Sink.Authority, HTTP2: true}
				}},
			} {
				err := b.withOne(ctx, system.Options{Dispatchers: 1, Settings: oneWebhook()}, c.url, func(ctx context.Context, s *system.System) error {
					r := b.burstByNATS(s, b.size(manyEvents, 1000))
					r.name, r.bare = c.name, c.bare(s)
					found, err := b.rated(ctx, s, r)
					if err != nil {
						return err
					}
					fast(found)
					b.emit(found)
					return nil
				})
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
}
