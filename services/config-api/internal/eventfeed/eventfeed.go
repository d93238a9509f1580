// Package eventfeed streams an organization's events, as they are stored, to
// developers who receive them on their own machines. It keeps nothing of a
// subscriber: one that reconnects says how far it has read.
package eventfeed

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/stream"
)

// PerOrganization bounds the subscriptions to one organization, on one replica:
// they are for developers, not for customers.
const PerOrganization = 10

// Source is the part of stream.Conn that is needed here; stream.Conn says what
// each method promises.
type Source interface {
	Follow(ctx context.Context, organizationID string, t event.Type, after uint64, handle func(*stream.Message) error) error
	NextSequence(ctx context.Context) (uint64, error)
}

// Event is an event and its place in the stream.
type Event struct {
	event.Event

	Sequence uint64
}

// Feed serves several subscriptions. Safe for concurrent use.
type Feed struct {
	source Source
	ended  chan struct{} // closed when all subscriptions have to end

	mu   sync.Mutex
	open map[string]int // by organization
}

// New returns a feed of a source.
func New(source Source) *Feed {
	return &Feed{source: source, ended: make(chan struct{}), open: map[string]int{}}
}

// Run ends all subscriptions when ctx ends, so that the server does not wait for
// them. It may be called once.
func (f *Feed) Run(ctx context.Context) {
	<-ctx.Done()
	close(f.ended)
}

// Subscription receives the events of one organization. Its owner closes it.
type Subscription struct {
	// After is the sequence behind which it began.
	After uint64

	// Events has what comes. It is closed when the source failed, the service
	// stops, or Close was called.
	Events <-chan Event

	close func()
}

// Close ends the subscription and waits until Events is closed.
func (f *Subscription) Close() { f.close() }

// Subscribe begins after a sequence, or with events that are stored from now on for
// nil. A sequence that the stream has not reached counts as now: the stream was
// deleted and made again. It returns a fault of kind RateLimited when the
// organization has too many subscriptions, and Unavailable while the broker is
// away.
func (f *Feed) Subscribe(ctx context.Context, organizationID string, t event.Type, after *uint64) (*Subscription, error) {
	leave, err := f.enter(organizationID)
	if err != nil {
		return nil, err
	}
	next, err := f.source.NextSequence(ctx)
	if err != nil {
		leave()
		return nil, fmt.Errorf("follow events: %w", err)
	}
	place := next - 1
	if after != nil {
		place = min(*after, place)
	}
	ctx, cancel := context.WithCancel(ctx)
	events, done := make(chan Event), make(chan struct{})
	go func() {
		defer close(done)
		defer close(events)
		stop := f.stopWith(cancel)
		defer stop()
		// An error ends the stream; its reader reconnects and gets the error.
		_ = f.source.Follow(ctx, organizationID, t, place, func(m *stream.Message) error {
			e, err := m.Event()
			if err != nil {
				return nil //nolint:nilerr // the dispatcher puts it into the stream of rejected messages
			}
			select {
			case events <- Event{Event: e, Sequence: m.Sequence}:
				return nil
			case <-ctx.Done():
				return errors.New("closed")
			}
		})
	}()
	return &Subscription{After: place, Events: events, close: func() { cancel(); <-done; leave() }}, nil
}

// stopWith calls cancel when the service stops, unless stop was called before.
func (f *Feed) stopWith(cancel func()) (stop func()) {
	over := make(chan struct{})
	go func() {
		select {
		case <-f.ended:
			cancel()
		case <-over:
		}
	}()
	return func() { close(over) }
}

func (f *Feed) enter(organizationID string) (leave func(), err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open[organizationID] >= PerOrganization {
		return nil, fault.Newf(fault.RateLimited, "too-many-streams",
			"The organization has %d open streams of events, the most it can have. Close one first.", PerOrganization)
	}
	f.open[organizationID]++
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.open[organizationID]--; f.open[organizationID] == 0 {
			delete(f.open, organizationID)
		}
	}, nil
}
