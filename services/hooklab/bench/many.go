package bench

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/services/hooklab/bench/bare"
	"github.com/dialnote/webhooks/services/hooklab/bench/fill"
	"github.com/dialnote/webhooks/services/hooklab/bench/publish"
	"github.com/dialnote/webhooks/services/hooklab/bench/report"
	"github.com/dialnote/webhooks/services/hooklab/bench/specimen"
	"github.com/dialnote/webhooks/services/hooklab/bench/stat"
	"github.com/dialnote/webhooks/services/hooklab/bench/system"
)

func many() Case {
	return Case{
		Name: "many",
		About: "50,000 events over 10,000 organizations with three webhooks each, one for each event type, to receivers at 1,000 addresses and ports. " +
			"The bare loop sends to the same 1,000. Over TLS: 10,000 events, of all organizations, of which hardly any meets a connection that its organization " +
			"has used before, and of 300 of them; the bare loop keeps one connection for each address, whichever organization the request is for.",
		Limit: 8 * time.Minute,
		run: func(ctx context.Context, b *bench) error {
			organizations, few := b.size(10_000, 100), b.size(300, 20)
			plain := func(s *system.System) bare.Plan { return bare.Plan{Hosts: s.Sink.Hosts} }
			secure := func(s *system.System) bare.Plan {
				return bare.Plan{Hosts: s.Sink.Secure, Authority: s.Sink.Authority}
			}
			err := b.toMany(ctx, plain, func(s *system.System) []rated {
				return []rated{b.burstToMany(s, "by NATS", plain(s), b.size(manyEvents, 1000), organizations)}
			})
			if err != nil {
				return err
			}
			return b.toMany(ctx, secure, func(s *system.System) []rated {
				n := b.size(10_000, 500)
				return []rated{
					b.burstToMany(s, "over TLS", secure(s), n, organizations),
					b.burstToMany(s, "over TLS, few organizations", secure(s), n, few),
				}
			})
		},
	}
}

// toMany makes measurements of a system whose webhooks lead to the hosts of a bare
// loop.
func (b *bench) toMany(ctx context.Context, to func(*system.System) bare.Plan, measure func(*system.System) []rated) error {
	return b.with(ctx, system.Options{Dispatchers: 1, Hosts: b.size(1000, 20)}, func(ctx context.Context, s *system.System) error {
		if err := b.fillMany(ctx, s, to(s).Hosts, b.size(10_000, 100)); err != nil {
			return err
		}
		for _, r := range measure(s) {
			found, err := b.rated(ctx, s, r)
			if err != nil {
				return err
			}
			b.emit(found)
		}
		return nil
	})
}

// fillMany makes three webhooks, one for each event type, for organizations
// from 1 on, each at a host drawn at random.
func (b *bench) fillMany(ctx context.Context, s *system.System, hosts []string, organizations int) error {
	template, err := s.Webhook(ctx, specimen.Organization(0), hosts[0]+"/ok/0", event.CallCompleted)
	if err != nil {
		return err
	}
	kinds, random := event.Types(), b.random(1)
	return fill.Webhooks(ctx, s.DB, s.Box, b.secrets(), template, 0, organizations*len(kinds), func(i int) fill.Row {
		return fill.Row{
			Organization: specimen.Organization(1 + i/len(kinds)),
			URL:          hosts[random.IntN(len(hosts))] + "/ok/0",
			Event:        kinds[i%len(kinds)],
		}
	})
}

// secrets is what webhooks' secrets are drawn from.
func (b *bench) secrets() *rand.ChaCha8 {
	return rand.NewChaCha8(sha256.Sum256(binary.LittleEndian.AppendUint64(nil, b.Seed)))
}

// burstToMany publishes events of organizations and types drawn at random. Each
// goes to one webhook. It counts the connections that are kept afterwards.
func (b *bench) burstToMany(s *system.System, name string, loop bare.Plan, n, organizations int) rated {
	kinds := event.Types()
	return rated{
		name: name, deliveries: n, bare: loop,
		do: func(ctx context.Context, run string, into *report.Samples) (time.Time, error) {
			random, began := b.random(2), time.Now()
			err := s.NATS.Pipelined(ctx, n, func(i int) publish.Event {
				return publish.Event{
					Organization: specimen.Organization(1 + random.IntN(organizations)),
					Type:         kinds[random.IntN(len(kinds))], ID: specimen.ID(run, i),
				}
			})
			into.Add("published", "events/s", stat.Ratio(float64(n), time.Since(began).Seconds()))
			return began, err
		},
		after: func(ctx context.Context, into *report.Samples) error {
			kept, err := s.Metric(ctx, s.Dispatchers[0], `dialnote_dispatcher_receiver_connections{protocol="http1"}`)
			if err == nil {
				into.Add("kept connections", "", kept)
			}
			return err
		},
	}
}
