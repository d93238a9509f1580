package stream

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/proto"
)

// Event reads the message of the event stream with this sequence. It returns
// NotFound when the stream no longer keeps it, and for 0. A caller that wants a
// certain event must compare its id: a stream that was deleted and made again
// counts from 1. The message must not be acknowledged.
func (c *Conn) Event(ctx context.Context, sequence uint64) (*Message, error) {
	events, err := c.eventStream(ctx)
	if err != nil {
		return nil, err
	}
	expired := fault.New(fault.NotFound, "event-expired", "The event is no longer kept: it is too old.")
	if sequence == 0 {
		return nil, expired
	}
	raw, err := events.GetMsg(ctx, sequence)
	if errors.Is(err, jetstream.ErrMsgNotFound) { // any replica answers, also one that is behind (NATS ADR-31)
		raw, err = c.eventOfLeader(ctx, sequence)
	}
	if errors.Is(err, nats.ErrMsgNotFound) {
		return nil, expired
	}
	if err != nil {
		return nil, fmt.Errorf("read event %d: %w", sequence, unavailable(err))
	}
	return &Message{
		Subject: proto.ParseStored(raw.Subject).Subject, ContentType: raw.Header.Get(proto.HeaderContentType),
		Data: raw.Data, Sequence: raw.Sequence, Stored: raw.Time, header: raw.Header,
	}, nil
}

// eventOfLeader asks the leader of the event stream for a message, which alone knows
// what the stream keeps. It returns nats.ErrMsgNotFound when the stream does not keep
// the message.
func (c *Conn) eventOfLeader(ctx context.Context, sequence uint64) (*jetstream.RawStreamMsg, error) {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	js, err := c.nc.JetStream() // package jetstream asks any copy
	if err != nil {
		return nil, fmt.Errorf("open JetStream: %w", err)
	}
	m, err := js.GetMsg(proto.StreamEvents, sequence, nats.Context(ctx))
	if err != nil {
		return nil, fmt.Errorf("ask the leader: %w", err)
	}
	return &jetstream.RawStreamMsg{Subject: m.Subject, Sequence: m.Sequence, Header: m.Header, Data: m.Data, Time: m.Time}, nil
}

// eventStream returns the event stream, about which the server is asked once.
func (c *Conn) eventStream(ctx context.Context) (jetstream.Stream, error) {
	if known := c.opened.Load(); known != nil {
		return *known, nil
	}
	events, err := c.js.Stream(ctx, proto.StreamEvents)
	if err != nil {
		return nil, fmt.Errorf("open stream %s: %w", proto.StreamEvents, unavailable(err))
	}
	c.opened.Store(&events)
	return events, nil
}
