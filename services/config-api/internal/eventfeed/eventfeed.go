// Package eventfeed gives an organization's events to those who receive them on
// their own machine: the very events that webhooks are sent, as they are
// stored. Nothing is kept of who follows; whoever comes again says where they
// were.
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

// PerOrganization is how many may follow one organization at a time, on one
// replica: developers, not customers.
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
	ended  chan struct{} // closed when nobody may follow any more

	mu   sync.Mutex
	open map[string]int // by organization
}

// New returns a follower of a source.
func New(source Source) *Feed {
	return &Feed{source: source, ended: make(chan struct{}), open: map[string]int{}}
}

// Run ends all that follow when ctx ends, so that nobody who serves waits for
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

// Close ends it and waits until nothing more comes.
func (f *Subscription) Close() { f.close() }

// Subscribe begins after a sequence, or with what is stored from now on for nil. A
// sequence that the stream has not reached counts as now: it was made anew. It
// returns a fault of kind RateLimited when too many follow the organization,
// and Unavailable while the broker is away.
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
		// An error ends the stream; its reader comes again and is told.
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

// stopWith has cancel called when the service stops, until stop is called.
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
