package stream

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/proto"
)

// sizesInactive is how long the server keeps the consumer of Sizes whose reader died.
const sizesInactive = 30 * time.Second

// Size is a message of a stream, as the account of what organizations use counts it.
type Size struct {
	Sequence       uint64
	OrganizationID string
	Stored         time.Time
	Bytes          int64 // that the stream keeps of it

	// OverQuota is set on a rejected message that was an event over a quota.
	OverQuota *OverQuota
}

// OverQuota is an event that was rejected because its organization had reached a
// quota. The event stream keeps it until RemoveEvent.
type OverQuota struct {
	Stream   string
	Sequence uint64
	Stored   time.Time
	Bytes    int64
}

// Sizes reads how large the messages of a stream are, without their data. It must not
// be used concurrently.
type Sizes struct {
	c        *Conn
	stream   string
	consumer jetstream.Consumer
	next     uint64 // the sequence from which the consumer hands out
}

// Sizes returns a reader of a stream. Close it.
func (c *Conn) Sizes(stream string) *Sizes { return &Sizes{c: c, stream: stream} }

// EventStreams returns the names of the streams of events.
func EventStreams() []string { return []string{proto.StreamEvents} }

// Close removes the reader's consumer.
func (s *Sizes) Close(ctx context.Context) {
	if s.consumer == nil {
		return
	}
	// When this fails, the server removes the consumer after sizesInactive.
	_ = s.c.js.DeleteConsumer(ctx, s.stream, s.consumer.CachedInfo().Name)
	s.consumer = nil
}

// Next returns the messages after a sequence, in order: n of them, or those that there
// are within wait.
func (s *Sizes) Next(ctx context.Context, after uint64, n int, wait time.Duration) ([]Size, error) {
	if s.consumer == nil || s.next != after+1 {
		if err := s.open(ctx, after); err != nil {
			return nil, err
		}
	}
	var sizes []Size
	_, err := s.c.pull(ctx, s.consumer, n, wait, func(m *Message) {
		sizes = append(sizes, s.size(m))
		s.next = m.Sequence + 1
	})
	if err != nil {
		s.Close(context.WithoutCancel(ctx))
		return nil, fmt.Errorf("read the sizes of %s: %w", s.stream, err)
	}
	return sizes, nil
}

func (s *Sizes) open(ctx context.Context, after uint64) error {
	s.Close(ctx)
	consumer, err := s.c.js.CreateConsumer(ctx, s.stream, jetstream.ConsumerConfig{
		Description:       "The account of what organizations use.",
		AckPolicy:         jetstream.AckNonePolicy,
		InactiveThreshold: sizesInactive,
		MemoryStorage:     true,
		Replicas:          1,
		HeadersOnly:       true,
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       after + 1,
	})
	if err != nil {
		return fmt.Errorf("open the sizes of %s: %w", s.stream, unavailable(err))
	}
	s.consumer, s.next = consumer, after+1
	return nil
}

// size returns what is counted of a message of which only the headers were read.
func (s *Sizes) size(m *Message) Size {
	h := m.raw.Headers()
	data, _ := strconv.Atoi(h.Get(nats.MsgSize)) // the server sets it
	h.Del(nats.MsgSize)
	size := Size{Sequence: m.Sequence, Stored: m.Stored, Bytes: storedBytes(m.raw.Subject(), h, data)}
	size.OrganizationID, _, _ = proto.ParseEventSubject(m.Subject)
	if h.Get(proto.HeaderQuota) != "" && strings.HasPrefix(m.Subject, proto.PrefixRejected+".") {
		size.OverQuota = overQuota(h)
		size.OrganizationID, _, _ = proto.ParseEventSubject(h.Get(proto.HeaderSubject))
	}
	return size
}

// overQuota reads the headers that RejectOver sets. It returns nil for others.
func overQuota(h nats.Header) *OverQuota {
	sequence, err1 := strconv.ParseUint(h.Get(proto.HeaderEventSequence), 10, 64)
	stored, err2 := strconv.ParseInt(h.Get(proto.HeaderEventStored), 10, 64)
	bytes, err3 := strconv.ParseInt(h.Get(proto.HeaderSize), 10, 64)
	if errors.Join(err1, err2, err3) != nil {
		return nil
	}
	return &OverQuota{Stream: proto.StreamEvents, Sequence: sequence, Stored: time.Unix(0, stored).UTC(), Bytes: bytes}
}

// storedBytes returns how many bytes a file of the server has for a message.
func storedBytes(subject string, h nats.Header, data int) int64 {
	const record, headers, line = 30, 4 + 12, 4 // framing: of a message, of its headers, of each header
	n := record + len(subject) + data
	if len(h) > 0 {
		n += headers
	}
	for key, values := range h {
		for _, value := range values {
			n += len(key) + len(value) + line
		}
	}
	return int64(n)
}

// Size returns how many bytes the stream keeps of a message that was pulled.
func (m *Message) Size() int64 {
	return storedBytes(m.raw.Subject(), m.raw.Headers(), len(m.Data))
}

// Admitted reports whether config-api has accepted the event.
func (m *Message) Admitted() bool { return m.Headers().Get(proto.HeaderAdmitted) != "" }

// Level is what a stream keeps.
type Level struct {
	Messages uint64
	First    time.Time // when the oldest message that is kept was stored, zero for none
	Last     uint64    // the sequence of the last message that was stored
	Bytes    uint64
}

// Level asks the broker about a stream.
func (c *Conn) Level(ctx context.Context, stream string) (Level, error) {
	info, err := c.lookAt(ctx, stream)
	if err != nil || info == nil {
		return Level{}, err
	}
	l := Level{Messages: info.State.Msgs, Last: info.State.LastSeq, Bytes: info.State.Bytes}
	if l.Messages > 0 {
		l.First = info.State.FirstTime
	}
	return l, nil
}

// RemoveEvent removes a message from a stream of events. It returns nil when the
// message is gone already.
func (c *Conn) RemoveEvent(ctx context.Context, stream string, sequence uint64) error {
	kept, err := c.js.Stream(ctx, stream)
	if err != nil {
		return fmt.Errorf("open stream %s: %w", stream, unavailable(err))
	}
	if err := kept.DeleteMsg(ctx, sequence); err != nil {
		if _, missing := c.Event(ctx, sequence); fault.Is(missing, fault.NotFound) {
			return nil
		}
		return fmt.Errorf("remove event %d: %w", sequence, unavailable(err))
	}
	return nil
}

// StorageLimit returns how many bytes this account may store in each copy of its
// streams, 0 for no limit that the server tells.
func (c *Conn) StorageLimit(ctx context.Context, replicas int) (int64, error) {
	if c.storage > 0 {
		return c.storage, nil
	}
	account, err := c.js.AccountInfo(ctx)
	if err != nil {
		return 0, fmt.Errorf("ask JetStream for the account's limits: %w", unavailable(err))
	}
	limit := account.Limits.MaxStore
	if tier, tiered := account.Tiers["R"+strconv.Itoa(replicas)]; tiered {
		return max(tier.Limits.MaxStore, 0), nil // of each copy
	}
	return max(limit, 0) / int64(max(replicas, 1)), nil
}
