package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/services/hooklab/bench/fill"
	"github.com/dialnote/webhooks/services/hooklab/bench/publish"
	"github.com/dialnote/webhooks/services/hooklab/bench/report"
	"github.com/dialnote/webhooks/services/hooklab/bench/specimen"
	"github.com/dialnote/webhooks/services/hooklab/bench/stat"
	"github.com/dialnote/webhooks/services/hooklab/bench/system"
)

const (
	eachWaits = 10               // events of each disabled webhook
	restTime  = 10 * time.Second // for which is measured what waiting costs
)

func disabled() Case {
	return Case{
		Name: "disabled",
		About: "100,000 webhooks of 10,000 organizations are disabled automatically, and ten events come for each: how long it takes until all of them wait, " +
			"what each takes and what they cost for ten seconds in which nothing else happens; how soon a dispatcher that starts then is ready; and a healthy " +
			"webhook that gets 50 events/s beside them.",
		Limit: 15 * time.Minute,
		run: func(ctx context.Context, b *bench) error {
			organizations := b.size(100_000, 2000) / eachHas
			return b.inNew(ctx, fmt.Sprintf("%d disabled webhooks", organizations*eachHas), func(ctx context.Context, s *system.System, into *report.Samples) error {
				return b.disabled(ctx, s, organizations, into)
			})
		},
	}
}

// disabled makes one run in a system that is new.
func (b *bench) disabled(ctx context.Context, s *system.System, organizations int, into *report.Samples) error {
	if err := b.fillDisabled(ctx, s, organizations); err != nil {
		return err
	}
	before, err := s.Keeps(ctx)
	if err != nil {
		return err
	}
	took, err := b.haveWait(ctx, s, organizations)
	if err != nil {
		return err
	}
	n := organizations * eachHas * eachWaits
	into.Add("all wait after", "s", took.Seconds())
	into.Add("put aside", "deliveries/s", stat.Ratio(float64(n), took.Seconds()))
	after, err := s.Keeps(ctx)
	if err != nil {
		return err
	}
	into.Add("database", "bytes/delivery", float64(after.Database-before.Database)/float64(n))
	into.Add("event stream", "bytes/delivery", float64(after.Events-before.Events)/float64(n))
	consumers, err := s.NATS.Consumers(ctx)
	if err != nil {
		return err
	}
	into.Add("consumers", "", float64(consumers))
	if err := b.rest(ctx, s, into); err != nil {
		return err
	}
	began := time.Now()
	if err := s.AddDispatcher(ctx); err != nil {
		return err
	}
	into.Add("start of a dispatcher", "ms", report.Milliseconds(time.Since(began)))
	count, every := countOf(healthyRate, b.time(restTime))
	beside, err := b.steady(ctx, s, count, every)
	if err != nil {
		return err
	}
	into.AddLatency(beside)
	return nil
}

// fillDisabled inserts the webhooks, disabled like the one that is their template.
func (b *bench) fillDisabled(ctx context.Context, s *system.System, organizations int) error {
	template, err := s.Webhook(ctx, specimen.Organization(firstAway-1), s.Sink.HTTP+"/quiet", event.CallCompleted)
	if err != nil {
		return err
	}
	if _, err := s.DB.ExecContext(ctx, `UPDATE webhooks SET auto_disabled = 'gone' WHERE id = $1`, template); err != nil {
		return fmt.Errorf("disable a webhook: %w", err)
	}
	return fill.Webhooks(ctx, s.DB, s.Box, b.secrets(), template, firstAway, organizations*eachHas, func(i int) fill.Row {
		return fill.Row{Organization: specimen.Organization(firstAway + i/eachHas), URL: s.Sink.HTTP + "/quiet", Event: event.CallCompleted}
	})
}

// haveWait publishes the events and returns how long it took until all of their
// deliveries wait.
func (b *bench) haveWait(ctx context.Context, s *system.System, organizations int) (time.Duration, error) {
	run, began := b.runID(), time.Now()
	err := s.NATS.Pipelined(ctx, organizations*eachWaits, func(i int) publish.Event {
		return publish.Event{Organization: specimen.Organization(firstAway + i%organizations), Type: event.CallCompleted, ID: specimen.ID(run, i)}
	})
	if err != nil {
		return 0, err
	}
	if err := s.Wait(ctx, organizations*eachHas*eachWaits); err != nil {
		return 0, err
	}
	return time.Since(began), nil
}

// rest adds what each part uses while deliveries wait and nothing else happens, after
// a moment for what is still being tidied up.
func (b *bench) rest(ctx context.Context, s *system.System, into *report.Samples) error {
	if err := sleep(ctx, restTime); err != nil {
		return err
	}
	before, err := s.Usage()
	if err != nil {
		return err
	}
	if err := sleep(ctx, restTime); err != nil {
		return err
	}
	after, err := s.Usage()
	if err != nil {
		return err
	}
	for _, part := range parts() {
		if _, runs := after[part]; !runs || part == system.Publisher || part == system.Receiver {
			continue
		}
		into.Add(part+" at rest", "% of a core", 100*(after[part].CPU-before[part].CPU).Seconds()/restTime.Seconds())
		if part != system.Postgres {
			into.Add(part+" resident", "MiB", report.Mebibytes(after[part].Resident))
		}
	}
	return nil
}
