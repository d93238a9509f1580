package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/dialnote/webhooks/proto"
	"github.com/dialnote/webhooks/services/hooklab/bench/publish"
	"github.com/dialnote/webhooks/services/hooklab/bench/report"
	"github.com/dialnote/webhooks/services/hooklab/bench/stat"
	"github.com/dialnote/webhooks/services/hooklab/bench/system"
)

const (
	batchSize       = 100 // events in an atomic batch
	batchPublishers = 8   // at once; the server takes 50 batches at once
	bareStream      = "BENCH"
	ofBarePublish   = "published, of the bare publish loop"
)

func durable() Case {
	return Case{
		Name: "durable",
		About: "The burst with a NATS server that syncs before it acknowledges: published one by one by 64 publishers, through the API (with nothing else " +
			"to do, as the bare loop, and while it is delivered), and in batches; beside it a bare loop of 64 publishers to a stream without a reader, under the same setting.",
		Limit: 10 * time.Minute,
		run: func(ctx context.Context, b *bench) error {
			o := system.Options{Dispatchers: 1, Settings: oneWebhook(), SyncAlways: true}
			return b.withOne(ctx, o, overHTTP, func(ctx context.Context, s *system.System) error {
				if err := s.NATS.AllowBatches(ctx, proto.StreamEvents); err != nil {
					return err
				}
				_, err := s.NATS.JS.CreateStream(ctx, jetstream.StreamConfig{
					Name: bareStream, Subjects: []string{bareStream + ".>"}, Storage: jetstream.FileStorage, Duplicates: 10 * time.Minute,
				})
				if err != nil {
					return fmt.Errorf("make the bare loop's stream: %w", err)
				}
				return b.durably(ctx, s, b.size(20_000, 500))
			})
		},
	}
}

func (b *bench) durably(ctx context.Context, s *system.System, n int) error {
	for _, c := range []struct {
		name    string
		aim     float64
		publish func(ctx context.Context, source publish.Source) error
	}{
		{"one by one over NATS, delivered afterwards", 0, func(ctx context.Context, source publish.Source) error {
			return held(ctx, s, func() error { return s.NATS.Single(ctx, n, publishers, source) })
		}},
		{"one by one over NATS, delivered meanwhile", 0, func(ctx context.Context, source publish.Source) error {
			return s.NATS.Single(ctx, n, publishers, source)
		}},
		{"through the API, delivered afterwards", 0.9, func(ctx context.Context, source publish.Source) error {
			return held(ctx, s, func() error { return s.API.Publish(ctx, n, publishers, source) })
		}},
		{"through the API, delivered meanwhile", 0, func(ctx context.Context, source publish.Source) error {
			return s.API.Publish(ctx, n, publishers, source)
		}},
		{fmt.Sprintf("in atomic batches of %d over NATS", batchSize), 0, func(ctx context.Context, source publish.Source) error {
			return s.NATS.Atomic(ctx, n, batchSize, batchPublishers, source)
		}},
		{"in fast batches over NATS", 0, func(ctx context.Context, source publish.Source) error {
			return s.NATS.Fast(ctx, n, batchPublishers, source)
		}},
	} {
		found, err := b.rated(ctx, s, b.burstDurably(s, c.name, n, c.publish))
		if err != nil {
			return err
		}
		if c.aim > 0 {
			found.Aim(ofBarePublish, report.Goal{Least: c.aim})
		}
		b.emit(found)
	}
	return nil
}

// held publishes while the dispatchers' consumer is paused.
func held(ctx context.Context, s *system.System, publishAll func() error) error {
	if err := s.NATS.Hold(ctx, proto.StreamEvents); err != nil {
		return err
	}
	if err := publishAll(); err != nil {
		return err
	}
	_, err := s.NATS.Release(ctx, proto.StreamEvents)
	return err
}

// burstDurably is a burst that also measures the bare publish loop, just before
// and just after.
func (b *bench) burstDurably(s *system.System, name string, n int, publishAll func(ctx context.Context, source publish.Source) error) rated {
	var before, rate float64
	return rated{
		name: name, deliveries: n, bare: bareHTTP(s),
		prepare: func(ctx context.Context, _ string) (err error) {
			before, err = b.barePublish(ctx, s, n)
			return err
		},
		do: func(ctx context.Context, run string, _ *report.Samples) (time.Time, error) {
			began := time.Now()
			err := publishAll(ctx, toOne(run))
			rate = stat.Ratio(float64(n), time.Since(began).Seconds())
			return began, err
		},
		after: func(ctx context.Context, into *report.Samples) error {
			after, err := b.barePublish(ctx, s, n)
			if err != nil {
				return err
			}
			loop := (before + after) / 2
			into.Add("published", "events/s", rate)
			into.Add("bare publish loop", "messages/s", loop)
			into.Add(ofBarePublish, "", stat.Ratio(rate, loop))
			return nil
		},
	}
}

// barePublish returns the rate of the bare publish loop.
func (b *bench) barePublish(ctx context.Context, s *system.System, n int) (float64, error) {
	began := time.Now()
	err := s.NATS.SingleTo(ctx, bareStream+".events", n, publishers, toOne(b.runID()))
	return stat.Ratio(float64(n), time.Since(began).Seconds()), err
}
