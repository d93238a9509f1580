package bench

import (
	"context"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/proto"
	"github.com/dialnote/webhooks/services/hooklab/bench/fill"
	"github.com/dialnote/webhooks/services/hooklab/bench/publish"
	"github.com/dialnote/webhooks/services/hooklab/bench/report"
	"github.com/dialnote/webhooks/services/hooklab/bench/specimen"
	"github.com/dialnote/webhooks/services/hooklab/bench/stat"
	"github.com/dialnote/webhooks/services/hooklab/bench/system"
)

// eachHas is how many webhooks an organization has in scale.
const eachHas = 10

func scale() Case {
	return Case{
		Name: "scale",
		About: "1,000,000 webhooks of 100,000 organizations in the database: how long a dispatcher takes to start; how fast it looks each organization up, " +
			"by an event that none of its webhooks wants, in the database and then in its cache; and its memory with all of them looked up.",
		Limit: 15 * time.Minute,
		run: func(ctx context.Context, b *bench) error {
			return b.with(ctx, system.Options{}, func(ctx context.Context, s *system.System) error {
				organizations := b.size(1_000_000, 10_000) / eachHas
				if err := b.fillScale(ctx, s, organizations); err != nil {
					return err
				}
				into := report.NewSamples("1,000,000 webhooks", s.Settings())
				for range b.Runs {
					if err := b.lookups(ctx, s, organizations, into); err != nil {
						return err
					}
				}
				into.Aim(report.Peak(system.Dispatcher), report.Goal{Most: 400})
				b.emit(into)
				return nil
			})
		},
	}
}

func (b *bench) fillScale(ctx context.Context, s *system.System, organizations int) error {
	template, err := s.Webhook(ctx, specimen.Organization(0), s.Sink.HTTP+"/ok/0", event.CallCompleted)
	if err != nil {
		return err
	}
	began := time.Now()
	kinds := []event.Type{event.CallCompleted, event.RecordingCompleted}
	err = fill.Webhooks(ctx, s.DB, s.Box, b.secrets(), template, 0, organizations*eachHas, func(i int) fill.Row {
		return fill.Row{Organization: specimen.Organization(1 + i/eachHas), URL: s.Sink.HTTP + "/ok/0", Event: kinds[i%len(kinds)]}
	})
	b.say("  filled in %s", time.Since(began).Round(time.Second))
	return err
}

// lookups measures a dispatcher with an empty cache, and stops it.
func (b *bench) lookups(ctx context.Context, s *system.System, organizations int, into *report.Samples) error {
	began := time.Now()
	if err := s.AddDispatcher(ctx); err != nil {
		return err
	}
	into.Add("start of a dispatcher", "ms", report.Milliseconds(time.Since(began)))
	m, err := begin(s)
	if err != nil {
		return err
	}
	for _, where := range []string{"in the database", "in the cache"} {
		took, err := b.lookAll(ctx, s, organizations)
		if err != nil {
			return err
		}
		into.Add("organizations looked up "+where, "lookups/s", stat.Ratio(float64(organizations), took.Seconds()))
	}
	if _, err := m.end(s, 2*organizations, "lookup", into); err != nil {
		return err
	}
	for name, unit := range map[string]string{"cache_webhooks": "webhooks", "cache_bytes": "bytes", "cache_misses_total": "lookups", "cache_hits_total": "lookups"} {
		value, err := s.Metric(ctx, s.Dispatchers[0], "dialnote_dispatcher_"+name)
		if err != nil {
			return err
		}
		into.Add(name, unit, value)
	}
	return s.StopDispatchers()
}

// lookAll publishes one event of each organization, which none of its webhooks
// wants, and returns how long the dispatcher took for all of them.
func (b *bench) lookAll(ctx context.Context, s *system.System, organizations int) (time.Duration, error) {
	run := b.runID()
	err := queue(ctx, s, organizations, func(i int) publish.Event {
		return publish.Event{Organization: specimen.Organization(1 + i), Type: event.NoteCreated, ID: specimen.ID(run, i)}
	})
	if err != nil {
		return 0, err
	}
	began, err := s.NATS.Release(ctx, proto.StreamEvents)
	if err != nil {
		return 0, err
	}
	if err := s.Settled(ctx); err != nil {
		return 0, err
	}
	return time.Since(began), nil
}
