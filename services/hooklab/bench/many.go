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
			"The bare loop sends to the same 1,000.",
		Limit: 6 * time.Minute,
		run: func(ctx context.Context, b *bench) error {
			hosts := b.size(1000, 20)
			return b.with(ctx, system.Options{Dispatchers: 1, Hosts: hosts}, func(ctx context.Context, s *system.System) error {
				organizations := b.size(10_000, 100)
				if err := b.fillMany(ctx, s, organizations); err != nil {
					return err
				}
				found, err := b.rated(ctx, s, b.burstToMany(s, b.size(manyEvents, 1000), organizations))
				if err != nil {
					return err
				}
				b.emit(found)
				return nil
			})
		},
	}
}

// fillMany makes three webhooks, one for each event type, for organizations
// from 1 on, each at a host drawn at random.
func (b *bench) fillMany(ctx context.Context, s *system.System, organizations int) error {
	template, err := s.Webhook(ctx, specimen.Organization(0), s.Sink.HTTP+"/ok/0", event.CallCompleted)
	if err != nil {
		return err
	}
	kinds, random := event.Types(), b.random(1)
	return fill.Webhooks(ctx, s.DB, s.Box, b.secrets(), template, 0, organizations*len(kinds), func(i int) fill.Row {
		return fill.Row{
			Organization: specimen.Organization(1 + i/len(kinds)),
			URL:          s.Sink.Hosts[random.IntN(len(s.Sink.Hosts))] + "/ok/0",
			Event:        kinds[i%len(kinds)],
		}
	})
}

// secrets is what webhooks' secrets are drawn from.
func (b *bench) secrets() *rand.ChaCha8 {
	return rand.NewChaCha8(sha256.Sum256(binary.LittleEndian.AppendUint64(nil, b.Seed)))
}

// burstToMany publishes events of organizations and types drawn at random. Each
// goes to one webhook.
func (b *bench) burstToMany(s *system.System, n, organizations int) rated {
	kinds := event.Types()
	return rated{
		name: "by NATS", deliveries: n, bare: bare.Plan{Hosts: s.Sink.Hosts},
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
	}
}
