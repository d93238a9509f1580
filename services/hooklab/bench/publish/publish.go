// Package publish is the platform in a benchmark: it puts events into the
// system, by NATS as platform services do, or through the API.
package publish

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/proto"
	"github.com/dialnote/webhooks/services/hooklab/bench/specimen"
)

// Event is one event to publish.
type Event struct {
	Organization string
	Type         event.Type
	ID           string
}

// Source returns the ith event.
type Source func(i int) Event

// message returns an event as a platform service would publish it.
func message(e Event) *nats.Msg {
	return &nats.Msg{
		Subject: proto.SubjectEvent(e.Organization, string(e.Type)),
		Header: nats.Header{
			jetstream.MsgIDHeader:   {proto.EventMessageID(e.Organization, e.ID)},
			proto.HeaderContentType: {proto.ContentTypeJSON},
		},
		Data: specimen.Body(e.Organization, e.Type, e.ID),
	}
}

const (
	// unacknowledged is how many messages Pipelined has under way.
	unacknowledged = 4096

	// acknowledgedWithin is how long the broker may take to store a message.
	acknowledgedWithin = 30 * time.Second
)

// NATS publishes to a broker. Each method returns when every event is stored,
// or the first error.
type NATS struct {
	JS jetstream.JetStream

	nc     *nats.Conn
	failed atomic.Pointer[error] // of Pipelined and Paced
}

// Connect connects to a broker that is running.
func Connect(url string) (*NATS, error) {
	nc, err := nats.Connect(url, nats.Name("bench"))
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	p := &NATS{nc: nc}
	p.JS, err = jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(unacknowledged),
		jetstream.WithPublishAsyncTimeout(acknowledgedWithin),
		jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, _ *nats.Msg, err error) { p.failed.CompareAndSwap(nil, &err) }))
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("open JetStream: %w", err)
	}
	return p, nil
}

// Close closes the connection.
func (p *NATS) Close() { p.nc.Close() }

// Version returns the server's version.
func (p *NATS) Version() string { return p.nc.ConnectedServerVersion() }

// Pipelined publishes n events as fast as the broker takes them.
func (p *NATS) Pipelined(ctx context.Context, n int, source Source) error {
	for i := range n {
		if err := p.send(ctx, source(i)); err != nil {
			return err
		}
	}
	return p.stored(ctx)
}

// Paced publishes n events, one each interval, and returns when each was sent,
// in Unix nanoseconds.
func (p *NATS) Paced(ctx context.Context, n int, every time.Duration, source Source) ([]int64, error) {
	sent := make([]int64, n)
	timer := time.NewTimer(0)
	defer timer.Stop()
	began := time.Now()
	for i := range sent {
		timer.Reset(time.Until(began.Add(time.Duration(i) * every)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("publish: %w", context.Cause(ctx))
		}
		sent[i] = time.Now().UnixNano()
		if err := p.send(ctx, source(i)); err != nil {
			return nil, err
		}
	}
	return sent, p.stored(ctx)
}

func (p *NATS) send(ctx context.Context, e Event) error {
	if ctx.Err() != nil {
		return fmt.Errorf("publish: %w", context.Cause(ctx))
	}
	if _, err := p.JS.PublishMsgAsync(message(e), jetstream.WithStallWait(acknowledgedWithin)); err != nil {
		return fmt.Errorf("publish %s: %w", e.ID, err)
	}
	return nil
}

func (p *NATS) stored(ctx context.Context) error {
	select {
	case <-p.JS.PublishAsyncComplete():
	case <-ctx.Done():
		return fmt.Errorf("publish: %w", context.Cause(ctx))
	}
	if err := p.failed.Swap(nil); err != nil {
		return fmt.Errorf("publish: %w", *err)
	}
	return nil
}

// Single publishes n events one by one, each publisher waiting for the
// acknowledgement of one before the next.
func (p *NATS) Single(ctx context.Context, n, publishers int, source Source) error {
	return p.SingleTo(ctx, "", n, publishers, source)
}

// SingleTo is Single to a subject of the caller's in place of the events' own.
func (p *NATS) SingleTo(ctx context.Context, subject string, n, publishers int, source Source) error {
	return each(ctx, n, publishers, func(ctx context.Context, i int) error {
		m := message(source(i))
		if subject != "" {
			m.Subject = subject
		}
		if _, err := p.JS.PublishMsg(ctx, m); err != nil {
			return fmt.Errorf("publish: %w", err)
		}
		return nil
	})
}

// each calls do for 0 to n-1, some at once, until one returns an error.
func each(ctx context.Context, n, atOnce int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range atOnce {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if err := do(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	workers.Wait()
	return context.Cause(ctx)
}
