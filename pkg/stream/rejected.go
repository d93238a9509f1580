package stream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/proto"
)

// Rejected is a message that could not be understood.
type Rejected struct {
	Sequence       uint64    // in the stream of rejected messages
	At             time.Time // when it was rejected
	OrganizationID string    // of the subject that it was published to, "" when that names none
	Reason         string    // as it was then

	// Message is the message as it was published. Its end is missing when it was
	// of the largest size. It must not be acknowledged.
	Message Message
}

// RejectedRange says which rejected messages to read.
type RejectedRange struct {
	OrganizationID string    // "" for all
	Since          time.Time // rejected then or later
	After          uint64    // and with a later sequence than this, 0 for any
}

// Rejected returns the first n messages of a range, in order, or fewer when there
// are no more.
func (c *Conn) Rejected(ctx context.Context, s RejectedRange, n int) ([]Rejected, error) {
	cfg := jetstream.ConsumerConfig{
		FilterSubject:     proto.PrefixRejected + ".>",
		AckPolicy:         jetstream.AckNonePolicy,
		InactiveThreshold: historyInactive,
		MemoryStorage:     true,
		DeliverPolicy:     jetstream.DeliverByStartTimePolicy,
		OptStartTime:      &s.Since,
	}
	if s.OrganizationID != "" {
		cfg.FilterSubject = proto.SubjectRejected(s.OrganizationID)
	}
	if s.After > 0 {
		cfg.DeliverPolicy, cfg.OptStartSeq, cfg.OptStartTime = jetstream.DeliverByStartSequencePolicy, s.After+1, nil
	}
	consumer, err := c.js.CreateConsumer(ctx, proto.StreamRejected, cfg)
	if err != nil {
		return nil, fmt.Errorf("open the rejected messages: %w", unavailable(err))
	}
	defer func() {
		_ = c.js.DeleteConsumer(context.WithoutCancel(ctx), proto.StreamRejected, consumer.CachedInfo().Name)
	}()
	want := int(min(uint64(n), consumer.CachedInfo().NumPending)) //nolint:gosec // at most n
	if want == 0 {
		return nil, nil
	}
	list := make([]Rejected, 0, want)
	_, err = c.pull(ctx, consumer, want, publishTimeout, func(m *Message) {
		list = append(list, rejected(m.raw.Headers(), m.Subject, m.Sequence, m.Stored, m.Data))
	})
	return list, err
}

// RejectedAt returns the rejected message with this sequence, or NotFound.
func (c *Conn) RejectedAt(ctx context.Context, sequence uint64) (Rejected, error) {
	kept, err := c.js.Stream(ctx, proto.StreamRejected)
	if err != nil {
		return Rejected{}, fmt.Errorf("open stream %s: %w", proto.StreamRejected, unavailable(err))
	}
	m, err := kept.GetMsg(ctx, max(sequence, 1))
	if errors.Is(err, jetstream.ErrMsgNotFound) || sequence == 0 && err == nil {
		return Rejected{}, fault.Newf(fault.NotFound, "rejected-not-found", "There is no rejected message %d, or no longer.", sequence)
	}
	if err != nil {
		return Rejected{}, fmt.Errorf("read rejected message %d: %w", sequence, unavailable(err))
	}
	return rejected(m.Header, m.Subject, m.Sequence, m.Time, m.Data), nil
}

// RemoveRejected removes a rejected message. It returns nil when the message is
// gone already.
func (c *Conn) RemoveRejected(ctx context.Context, sequence uint64) error {
	kept, err := c.js.Stream(ctx, proto.StreamRejected)
	if err != nil {
		return fmt.Errorf("open stream %s: %w", proto.StreamRejected, unavailable(err))
	}
	if err := kept.DeleteMsg(ctx, sequence); err != nil {
		if _, missing := kept.GetMsg(ctx, max(sequence, 1)); errors.Is(missing, jetstream.ErrMsgNotFound) {
			return nil
		}
		return fmt.Errorf("remove rejected message %d: %w", sequence, unavailable(err))
	}
	return nil
}

// header is a message's headers, for reading.
type header interface{ Get(key string) string }

func rejected(h header, subject string, sequence uint64, at time.Time, data []byte) Rejected {
	organization := strings.TrimPrefix(subject, proto.PrefixRejected+".")
	published := h.Get(proto.HeaderSubject)
	if claimed, _, ok := proto.ParseEventSubject(published); !ok || claimed != organization {
		organization = ""
	}
	return Rejected{
		Sequence: sequence, At: at, OrganizationID: organization, Reason: h.Get(proto.HeaderReason),
		Message: Message{Subject: published, ContentType: h.Get(proto.HeaderContentType), Data: data},
	}
}
