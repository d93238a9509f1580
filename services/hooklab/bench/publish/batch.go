package publish

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
)

// AllowBatches lets a stream take batches: atomic ones (nats-server 2.12),
// which are stored whole or not at all, and fast ones (2.14), which are stored
// message by message with few acknowledgements.
func (p *NATS) AllowBatches(ctx context.Context, stream string) error {
	s, err := p.JS.Stream(ctx, stream)
	if err != nil {
		return fmt.Errorf("look at stream %s: %w", stream, err)
	}
	cfg := s.CachedInfo().Config
	if cfg.AllowAtomicPublish && cfg.AllowBatchPublish {
		return nil
	}
	cfg.AllowAtomicPublish, cfg.AllowBatchPublish = true, true
	if _, err := p.JS.UpdateStream(ctx, cfg); err != nil {
		return fmt.Errorf("allow batches to stream %s: %w", stream, err)
	}
	return nil
}

// Atomic publishes n events in atomic batches of a size, each publisher waiting
// for one batch before the next. The server syncs once for each batch.
func (p *NATS) Atomic(ctx context.Context, n, size, publishers int, source Source) error {
	batches := (n + size - 1) / size
	return each(ctx, batches, publishers, func(ctx context.Context, b int) error {
		messages := make([]*nats.Msg, 0, size)
		for i := b * size; i < min(n, (b+1)*size); i++ {
			messages = append(messages, message(source(i)))
		}
		// The acknowledgement of the commit is enough.
		_, err := jetstreamext.PublishMsgBatch(ctx, p.JS, messages,
			jetstreamext.BatchFlowControl{AckFirst: false, AckTimeout: acknowledgedWithin})
		if err != nil {
			return fmt.Errorf("publish batch %d: %w", b, err)
		}
		return nil
	})
}

// Fast publishes n events in one fast batch for each publisher.
func (p *NATS) Fast(ctx context.Context, n, publishers int, source Source) error {
	return each(ctx, publishers, publishers, func(ctx context.Context, w int) error {
		batch, err := jetstreamext.NewFastPublisher(p.JS)
		if err != nil {
			return fmt.Errorf("begin a fast batch: %w", err)
		}
		for i := w; i < n; i += publishers {
			if _, err := batch.AddMsg(message(source(i))); err != nil {
				return fmt.Errorf("publish in a fast batch: %w", err)
			}
		}
		if _, err := batch.Close(ctx); err != nil {
			return fmt.Errorf("end a fast batch: %w", err)
		}
		return nil
	})
}

// dispatchers begins the names of the consumers that all dispatchers share, as
// pkg/stream names them.
const dispatchers = "dispatchers"

// shared returns the consumers of a stream that all dispatchers share.
func (p *NATS) shared(ctx context.Context, stream string) ([]*jetstream.ConsumerInfo, error) {
	s, err := p.JS.Stream(ctx, stream)
	if err != nil {
		return nil, fmt.Errorf("look at stream %s: %w", stream, err)
	}
	var shared []*jetstream.ConsumerInfo
	list := s.ListConsumers(ctx)
	for info := range list.Info() {
		if strings.HasPrefix(info.Name, dispatchers) {
			shared = append(shared, info)
		}
	}
	if err := list.Err(); err != nil {
		return nil, fmt.Errorf("list the consumers of %s: %w", stream, err)
	}
	return shared, nil
}

// pause keeps the events of a stream from the dispatchers until a time.
func (p *NATS) pause(ctx context.Context, stream string, until time.Time) error {
	all, err := p.shared(ctx, stream)
	if err != nil {
		return err
	}
	for _, c := range all {
		if _, err := p.JS.PauseConsumer(ctx, stream, c.Name, until); err != nil {
			return fmt.Errorf("pause consumer %s of %s: %w", c.Name, stream, err)
		}
	}
	return nil
}

// Hold keeps the events of a stream from the dispatchers, so that they queue.
func (p *NATS) Hold(ctx context.Context, stream string) error {
	return p.pause(ctx, stream, time.Now().Add(time.Hour))
}

// Release ends a Hold, and returns when that takes effect: in a moment. It
// moves the end of the pause there instead of lifting it, because the server would
// then go on only at the next pull, up to a second later.
func (p *NATS) Release(ctx context.Context, stream string) (time.Time, error) {
	const moment = 100 * time.Millisecond
	at := time.Now().Add(moment)
	return at, p.pause(ctx, stream, at)
}

// Unsettled returns how many of a stream's events no dispatcher has
// acknowledged.
func (p *NATS) Unsettled(ctx context.Context, stream string) (n int, err error) {
	all, err := p.shared(ctx, stream)
	for _, c := range all {
		n += int(c.NumPending) + c.NumAckPending //nolint:gosec // far fewer than 2^63 messages
	}
	return n, err
}

// Undelivered returns how many events were not handed out to a dispatcher.
func (p *NATS) Undelivered(ctx context.Context, stream string) (n int, err error) {
	all, err := p.shared(ctx, stream)
	for _, c := range all {
		n += int(c.NumPending) //nolint:gosec // far fewer than 2^63 messages
	}
	return n, err
}

// Stored returns how many messages a stream holds.
func (p *NATS) Stored(ctx context.Context, stream string) (int, error) {
	s, err := p.JS.Stream(ctx, stream)
	if err != nil {
		return 0, fmt.Errorf("look at stream %s: %w", stream, err)
	}
	return int(s.CachedInfo().State.Msgs), nil //nolint:gosec // far fewer than 2^63 messages
}

// Content is what a stream holds, and held.
type Content struct {
	Sequence uint64 // messages ever stored
	Bytes    uint64 // of those that it holds
}

// Content returns what a stream holds, and held.
func (p *NATS) Content(ctx context.Context, stream string) (Content, error) {
	s, err := p.JS.Stream(ctx, stream)
	if err != nil {
		return Content{}, fmt.Errorf("look at stream %s: %w", stream, err)
	}
	state := s.CachedInfo().State
	return Content{Sequence: state.LastSeq, Bytes: state.Bytes}, nil
}

// Purge empties a stream.
func (p *NATS) Purge(ctx context.Context, stream string) error {
	s, err := p.JS.Stream(ctx, stream)
	if err != nil {
		return fmt.Errorf("look at stream %s: %w", stream, err)
	}
	if err := s.Purge(ctx); err != nil {
		return fmt.Errorf("empty stream %s: %w", stream, err)
	}
	return nil
}

// Consumers returns how many consumers the broker has, on all streams.
func (p *NATS) Consumers(ctx context.Context) (int, error) {
	info, err := p.JS.AccountInfo(ctx)
	if err != nil {
		return 0, fmt.Errorf("count consumers: %w", err)
	}
	return info.Consumers, nil
}
