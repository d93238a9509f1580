package bench

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/services/hooklab/bench/fill"
	"github.com/dialnote/webhooks/services/hooklab/bench/publish"
	"github.com/dialnote/webhooks/services/hooklab/bench/report"
	"github.com/dialnote/webhooks/services/hooklab/bench/specimen"
	"github.com/dialnote/webhooks/services/hooklab/bench/system"
)

const (
	awayFor    = 8 * time.Second // the endpoints answer 500
	eachFailed = 5               // events of each webhook meanwhile
	firstAway  = 10_000          // organization of the first of them
)

// failing is how the endpoints of one row fail.
type failing struct {
	path     string // of the sink, to which the time is appended from which on it answers
	name     string
	webhooks int
}

func outage() Case {
	return Case{
		Name: "outage",
		About: "A healthy webhook gets 50 events/s for 30 s: alone; and while 1,000, 3,000 or 10,000 webhooks of as many organizations, all at one host, " +
			"answer 500, or not at all, for 8 s in which five events come for each. How long it takes, once they answer again, until everything is delivered, " +
			"and what NATS keeps for them meanwhile.",
		Limit: 20 * time.Minute,
		run: func(ctx context.Context, b *bench) error {
			for _, how := range []failing{
				{path: "/down/", name: "%d webhooks answer 500", webhooks: b.size(1000, 50)},
				{path: "/down/", name: "%d webhooks answer 500", webhooks: b.size(3000, 100)},
				{path: "/down/", name: "%d webhooks answer 500", webhooks: b.size(10_000, 200)},
				{path: "/stall/", name: "%d webhooks hang", webhooks: b.size(10_000, 200)},
			} {
				err := b.inNew(ctx, fmt.Sprintf(how.name, how.webhooks), func(ctx context.Context, s *system.System, into *report.Samples) error {
					return b.outage(ctx, s, how, into)
				})
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// inNew measures one row, each run in a system that is new.
func (b *bench) inNew(ctx context.Context, name string, measure func(ctx context.Context, s *system.System, into *report.Samples) error) error {
	var row *report.Samples
	for range b.Runs {
		err := b.withOne(ctx, system.Options{Dispatchers: 1}, overHTTP, func(ctx context.Context, s *system.System) error {
			if row == nil {
				row = report.NewSamples(name, s.Settings())
			}
			return measure(ctx, s, row)
		})
		if err != nil {
			return err
		}
	}
	b.emit(row)
	return nil
}

// outage makes one run of a row.
func (b *bench) outage(ctx context.Context, s *system.System, how failing, into *report.Samples) error {
	n := how.webhooks
	count, every := countOf(healthyRate, b.time(30*time.Second))
	alone, err := b.steady(ctx, s, count, every)
	if err != nil {
		return err
	}
	template, err := s.Webhook(ctx, specimen.Organization(0), s.Sink.HTTP+"/quiet", event.CallCompleted)
	if err != nil {
		return err
	}
	well := time.Now().Add(awayFor)
	url := s.Sink.HTTP + how.path + strconv.FormatInt(well.UnixMilli(), 10)
	err = fill.Webhooks(ctx, s.DB, s.Box, b.secrets(), template, firstAway, n, func(i int) fill.Row {
		return fill.Row{Organization: specimen.Organization(firstAway + i), URL: url, Event: event.CallCompleted}
	})
	if err != nil {
		return err
	}
	noise, run := &noise{bench: b}, b.runID()
	got, err := noise.watch(ctx, s, func(ctx context.Context) error {
		_, err := s.NATS.Paced(ctx, n*eachFailed, time.Until(well)/time.Duration(n*eachFailed), func(i int) publish.Event {
			return publish.Event{Organization: specimen.Organization(firstAway + i%n), Type: event.CallCompleted, ID: specimen.ID(run, i)}
		})
		return err
	})
	if err != nil {
		return err
	}
	kept, err := s.Keeps(ctx)
	if err != nil {
		return err
	}
	if err := s.Settled(ctx); err != nil {
		return err
	}
	into.AddLatency(got)
	into.Add("p99 alone", "ms", report.Milliseconds(alone.P99))
	into.Add("had to wait", "", float64(kept.Laned))
	consumers, err := s.NATS.Consumers(ctx)
	if err != nil {
		return err
	}
	into.Add("consumers", "", float64(consumers))
	usage, err := s.Usage()
	if err != nil {
		return err
	}
	into.Add(report.Peak(system.NATS), "MiB", float64(usage[system.NATS].Peak)/(1<<20))
	return b.delivered(ctx, s, n*eachFailed, well, into)
}

// delivered counts the deliveries of an outage by the log, and fails when one is
// missing.
func (b *bench) delivered(ctx context.Context, s *system.System, n int, well time.Time, into *report.Samples) error {
	const query = `SELECT count(*), count(DISTINCT delivery_id), max(ended_at) FROM attempts
		WHERE result = 'succeeded' AND (url LIKE '%/down/%' OR url LIKE '%/stall/%')`
	var requests, deliveries int
	var last sql.NullTime
	if err := s.DB.QueryRowContext(ctx, query).Scan(&requests, &deliveries, &last); err != nil {
		return fmt.Errorf("count what was delivered: %w", err)
	}
	into.Add("all delivered", "s after they are well", last.Time.Sub(well).Seconds())
	into.Add("delivered twice", "", float64(requests-deliveries))
	if deliveries != n {
		return fmt.Errorf("%d of %d deliveries were made", deliveries, n)
	}
	return nil
}
