package bench

import (
	"context"
	"strconv"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/proto"
	"github.com/dialnote/webhooks/services/hooklab/bench/bare"
	"github.com/dialnote/webhooks/services/hooklab/bench/publish"
	"github.com/dialnote/webhooks/services/hooklab/bench/report"
	"github.com/dialnote/webhooks/services/hooklab/bench/specimen"
	"github.com/dialnote/webhooks/services/hooklab/bench/stat"
	"github.com/dialnote/webhooks/services/hooklab/bench/system"
)

// many events for one webhook.
const manyEvents = 50_000

// publishers is how many call the API at once.
const publishers = 64

// oneWebhook are the settings where a single webhook takes everything: it may
// have as many in flight as the bare loop. A webhook never has more than an
// eighth of the places that are free, so there have to be ten times as many.
func oneWebhook() map[string]string {
	return map[string]string{
		"WEBHOOK_MAX_IN_FLIGHT": strconv.Itoa(inFlight),
		"MAX_IN_FLIGHT":         strconv.Itoa(10 * inFlight),
	}
}

// toOne returns events for organization 1.
func toOne(run string) publish.Source { return toOrganization(1, run) }

func toOrganization(n int, run string) publish.Source {
	organization := specimen.Organization(n)
	return func(i int) publish.Event {
		return publish.Event{Organization: organization, Type: event.CallCompleted, ID: specimen.ID(run, i)}
	}
}

// knowing is how long a replica asks the log about every event after it has started:
// until then an event may be one that another replica has taken (docs/adr/0012).
const knowing = 6 * time.Second

// warm makes some deliveries, of events that go to that many webhooks each, so
// that connections are open and code and caches are warm, and waits until the
// dispatchers have run for long enough to tell by its id that an event is new.
func (b *bench) warm(ctx context.Context, s *system.System, webhooks int) error {
	n := b.size(5000, 500) / webhooks
	if err := s.NATS.Pipelined(ctx, n, toOne(b.runID())); err != nil {
		return err
	}
	select {
	case <-time.After(knowing):
	case <-ctx.Done():
		return ctx.Err()
	}
	return s.Settled(ctx)
}

// withOne runs do on a system with one webhook, warmed up.
func (b *bench) withOne(ctx context.Context, o system.Options, url func(*system.System) string, do func(ctx context.Context, s *system.System) error) error {
	return b.with(ctx, o, func(ctx context.Context, s *system.System) error {
		if _, err := s.Webhook(ctx, specimen.Organization(1), url(s)+"/ok/0", event.CallCompleted); err != nil {
			return err
		}
		if err := b.warm(ctx, s, 1); err != nil {
			return err
		}
		return do(ctx, s)
	})
}

func overHTTP(s *system.System) string { return s.Sink.HTTP }

func bareHTTP(s *system.System) bare.Plan { return bare.Plan{Hosts: []string{s.Sink.HTTP}} }

// fast sets what every case has to reach that is only about delivering.
func fast(s *report.Samples) {
	s.Aim(report.Ratio, report.Goal{Least: 0.65})
	s.Aim(report.AllCPU, report.Goal{Most: 200})
	if _, alone := s.Row().Measure(report.CPU(system.Dispatcher)); alone {
		s.Aim(report.CPURatio, report.Goal{Most: 1.6})
		s.Aim(report.Peak(system.Dispatcher), report.Goal{Most: 150})
	}
}

func burst() Case {
	return Case{
		Name:  "burst",
		About: "50,000 events to one webhook while they are being published: by platform services over NATS, and through the API with 64 publishers.",
		Limit: 5 * time.Minute,
		run: func(ctx context.Context, b *bench) error {
			return b.withOne(ctx, system.Options{Dispatchers: 1, Settings: oneWebhook()}, overHTTP, func(ctx context.Context, s *system.System) error {
				n := b.size(manyEvents, 1000)
				found, err := b.rated(ctx, s, b.burstByNATS(s, n))
				if err != nil {
					return err
				}
				fast(found)
				b.emit(found)
				if found, err = b.rated(ctx, s, b.burstByAPI(s, n)); err != nil {
					return err
				}
				found.Aim(report.Ratio, report.Goal{Least: 0.35})
				found.Aim(report.Peak(system.Dispatcher), report.Goal{Most: 150})
				b.emit(found)
				return nil
			})
		},
	}
}

func (b *bench) burstByNATS(s *system.System, n int) rated {
	return rated{
		name: "by NATS", deliveries: n, bare: bareHTTP(s),
		do: func(ctx context.Context, run string, into *report.Samples) (time.Time, error) {
			began := time.Now()
			err := s.NATS.Pipelined(ctx, n, toOne(run))
			into.Add("published", "events/s", stat.Ratio(float64(n), time.Since(began).Seconds()))
			return began, err
		},
	}
}

func (b *bench) burstByAPI(s *system.System, n int) rated {
	return rated{
		name: "through the API", deliveries: n, bare: bareHTTP(s),
		do: func(ctx context.Context, run string, into *report.Samples) (time.Time, error) {
			began := time.Now()
			err := s.API.Publish(ctx, n, publishers, toOne(run))
			into.Add("published", "events/s", stat.Ratio(float64(n), time.Since(began).Seconds()))
			return began, err
		},
	}
}

func drain() Case {
	return Case{
		Name: "drain",
		About: "50,000 events to one webhook that are already queued: released to a running dispatcher, " +
			"and found by a dispatcher that starts, which looks each up in the log because it may have been handed out before.",
		Limit: 5 * time.Minute,
		run: func(ctx context.Context, b *bench) error {
			return b.withOne(ctx, system.Options{Dispatchers: 1, Settings: oneWebhook()}, overHTTP, func(ctx context.Context, s *system.System) error {
				n := b.size(manyEvents, 1000)
				found, err := b.rated(ctx, s, b.drainOf(s, "released", n))
				if err != nil {
					return err
				}
				fast(found)
				b.emit(found)
				if found, err = b.rated(ctx, s, b.drainAtStart(s, n)); err != nil {
					return err
				}
				b.emit(found)
				return nil
			})
		},
	}
}

func (b *bench) drainOf(s *system.System, name string, n int) rated {
	return rated{
		name: name, deliveries: n, bare: bareHTTP(s),
		prepare: func(ctx context.Context, run string) error { return queue(ctx, s, n, toOne(run)) },
		do: func(ctx context.Context, _ string, _ *report.Samples) (time.Time, error) {
			return s.NATS.Release(ctx, proto.StreamEvents)
		},
	}
}

// queue publishes events while dispatchers pull none.
func queue(ctx context.Context, s *system.System, n int, source publish.Source) error {
	if err := s.NATS.Hold(ctx, proto.StreamEvents); err != nil {
		return err
	}
	return s.NATS.Pipelined(ctx, n, source)
}

func (b *bench) drainAtStart(s *system.System, n int) rated {
	return rated{
		name: "found at the start", deliveries: n, bare: bareHTTP(s),
		prepare: func(ctx context.Context, run string) error {
			if err := s.StopDispatchers(); err != nil {
				return err
			}
			return s.NATS.Pipelined(ctx, n, toOne(run))
		},
		do: func(ctx context.Context, _ string, _ *report.Samples) (time.Time, error) {
			return time.Time{}, s.AddDispatcher(ctx)
		},
	}
}
