package stream

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/proto"
)

// Stored events are read again for the log, for redelivery and for recovery. A
// reader has a consumer of its own without acknowledgements, so that it takes no
// event from the dispatchers.

// historyInactive is how long the server keeps a history's consumer when its
// reader could not remove it.
const historyInactive = 10 * time.Second

// EventRange is a part of an organization's events of one type.
type EventRange struct {
	OrganizationID string
	Type           event.Type
	Since          time.Time // accepted then or later
	After          uint64    // and stored after this sequence, 0 for any
}

// History returns the first n events of a range, in order, or fewer when there
// are no more.
func (c *Conn) History(ctx context.Context, s EventRange, n int) ([]*Message, error) {
	consumer, pending, err := c.openHistory(ctx, s)
	if err != nil {
		return nil, err
	}
	defer c.closeHistory(ctx, consumer)
	want := int(min(uint64(n), pending)) //nolint:gosec // at most n
	if want == 0 {
		return nil, nil
	}
	var messages []*Message
	_, err = c.pull(ctx, consumer, want, publishTimeout, func(m *Message) { messages = append(messages, m) })
	if err != nil {
		return nil, err
	}
	if len(messages) < want { // lost in transit: the server does not send them again
		return nil, fmt.Errorf("read %d events and got %d: %w", want, len(messages), unavailable(context.DeadlineExceeded))
	}
	return messages, nil
}

// CountHistory returns how many events of a range were accepted before until.
func (c *Conn) CountHistory(ctx context.Context, s EventRange, until time.Time) (int64, error) {
	all, err := c.pending(ctx, s)
	if err != nil {
		return 0, err
	}
	s.Since, s.After = until, 0
	later, err := c.pending(ctx, s)
	if err != nil {
		return 0, err
	}
	return max(0, int64(all)-int64(later)), nil //nolint:gosec // a stream never holds 2^63 messages
}

func (c *Conn) pending(ctx context.Context, s EventRange) (uint64, error) {
	consumer, pending, err := c.openHistory(ctx, s)
	if err != nil {
		return 0, err
	}
	c.closeHistory(ctx, consumer)
	return pending, nil
}

// openHistory makes a consumer for a range and returns how many events it has.
func (c *Conn) openHistory(ctx context.Context, s EventRange) (jetstream.Consumer, uint64, error) {
	cfg := jetstream.ConsumerConfig{
		FilterSubject:     proto.SubjectStored(s.OrganizationID, string(s.Type)),
		AckPolicy:         jetstream.AckNonePolicy,
		InactiveThreshold: historyInactive,
		MemoryStorage:     true,
		DeliverPolicy:     jetstream.DeliverByStartTimePolicy,
		OptStartTime:      &s.Since,
	}
	if s.After > 0 {
		cfg.DeliverPolicy, cfg.OptStartSeq, cfg.OptStartTime = jetstream.DeliverByStartSequencePolicy, s.After+1, nil
	}
	consumer, err := c.js.CreateConsumer(ctx, proto.StreamEvents, cfg)
	if err != nil {
		return nil, 0, fmt.Errorf("open the history of %s: %w", cfg.FilterSubject, unavailable(err))
	}
	return consumer, consumer.CachedInfo().NumPending, nil
}

func (c *Conn) closeHistory(ctx context.Context, consumer jetstream.Consumer) {
	// When this fails, the server removes the consumer after historyInactive.
	_ = c.js.DeleteConsumer(context.WithoutCancel(ctx), proto.StreamEvents, consumer.CachedInfo().Name)
}
