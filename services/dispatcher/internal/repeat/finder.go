// Package repeat finds events that come again. An event is the same event when its
// organization and its id are the same, for as long as the event stream keeps its
// first message, whatever Nats-Msg-Id its messages have (docs/adr/0012).
//
// The stream decides: an event has come before when an earlier message of the
// stream has the same organization and id. Which message that may be, a Finder
// remembers of the last minutes; before that the delivery log says it.
package repeat

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/proto"
)

// clocksApart is how far a publisher's clock may be from ours for its events' ids
// to prove that they are new.
const clocksApart = 5 * time.Second

// Finding is what a Finder knows of an event.
type Finding uint8

// The findings.
const (
	New      Finding = iota // no other message has the event
	Unknown                 // an earlier message may have the event: ask the delivery log
	Repeated                // another message has the event, and is worked on or done with
)

// Fleet is the other replicas.
type Fleet interface {
	// Take makes known that this replica works on an event.
	Take(taken stream.Taken)
	// HeardSince returns from when on this replica knows what the others take.
	HeardSince() (since time.Time, ok bool)
}

// Events reads messages of the event stream.
type Events interface {
	// Event returns a message, or a fault of kind NotFound when it is no longer kept.
	Event(ctx context.Context, sequence uint64) (*stream.Message, error)
}

// Contradiction is in what the messages of one event differ that should not.
type Contradiction string

// The contradictions.
const (
	OtherContent   Contradiction = "content"    // an event came again with another type or other data
	OtherMessageID Contradiction = "message_id" // the Nats-Msg-Id is not the event's
)

// Contradictions returns all of them.
func Contradictions() []Contradiction { return []Contradiction{OtherContent, OtherMessageID} }

// Observer counts.
type Observer interface {
	Contradicted(what Contradiction)
}

// Finder finds events that come again. Safe for concurrent use.
type Finder struct {
	Fleet    Fleet
	Events   Events
	Observer Observer
	Now      func() time.Time
	Log      *slog.Logger

	recent  recent
	warning warning
}

// Find notes that this replica begins to work on an event and returns what it knows
// of it. It returns an error when the stream cannot be read.
func (f *Finder) Find(ctx context.Context, e event.Event, m *stream.Message) (Finding, error) {
	if m.MessageID != "" && m.MessageID != e.ID && m.MessageID != proto.EventMessageID(e.OrganizationID, e.ID) {
		f.contradicted(ctx, OtherMessageID, e, m.Sequence)
	}
	now := f.Now()
	taken := stream.Taken{Print: print(e.OrganizationID, e.ID), Sequence: m.Sequence}
	other := f.recent.take(taken.Print, taken.Sequence, now)
	f.Fleet.Take(taken)
	if other == 0 && f.provesNew(e.ID, now) {
		return New, nil
	}
	if other == 0 {
		return Unknown, nil
	}
	same, err := f.Same(ctx, e, other)
	if err != nil || !same {
		return Unknown, err
	}
	return Repeated, nil
}

// TakenElsewhere notes which events other replicas work on.
func (f *Finder) TakenElsewhere(taken []stream.Taken) {
	now := f.Now()
	for _, t := range taken {
		f.recent.take(t.Print, t.Sequence, now)
	}
}

// Same reports whether the message of the stream with a sequence has the same event.
// It reports false when the stream no longer keeps it. It returns an error when the
// stream cannot be read.
func (f *Finder) Same(ctx context.Context, e event.Event, sequence uint64) (bool, error) {
	m, err := f.Events.Event(ctx, sequence)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read the earlier message of event %s: %w", e.ID, err)
	}
	earlier, err := m.Published()
	if err != nil || earlier.OrganizationID != e.OrganizationID || earlier.ID != e.ID {
		return false, nil //nolint:nilerr // a message that is no event is not this event
	}
	if earlier.Type != e.Type || !bytes.Equal(earlier.Data, e.Data) {
		f.contradicted(ctx, OtherContent, e, sequence)
	}
	return true, nil
}

// Remembered returns how many events are remembered.
func (f *Finder) Remembered() int { return f.recent.length() }

// provesNew reports whether an event's id says that it was made when everything
// that was taken is remembered: then no earlier message has the event.
func (f *Finder) provesNew(id string, now time.Time) bool {
	made, ok := event.IDTime(id)
	heard, all := f.Fleet.HeardSince()
	return ok && all && !made.After(now.Add(clocksApart)) &&
		!made.Add(-clocksApart).Before(heard) && !made.Add(-clocksApart).Before(f.recent.complete())
}

func (f *Finder) contradicted(ctx context.Context, what Contradiction, e event.Event, sequence uint64) {
	f.Observer.Contradicted(what)
	if more, now := f.warning.due(f.Now()); now {
		f.Log.WarnContext(ctx, "event contradicts itself: what counts is its organization and id", slog.String("what", string(what)),
			slog.String("organization", e.OrganizationID), slog.String("event", e.ID), slog.Uint64("sequence", sequence), slog.Int("more", more))
	}
}
