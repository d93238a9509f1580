package stream

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/proto"
)

// latestRead is how many events are read at most to find the last few.
const latestRead = 64

// Latest returns the last n events of an organization of one type, the newest
// first, or fewer when there are no more. n is at most 64.
//
// A stream can only be read forwards, so Latest looks for a place near the end
// with enough events after it: back by doubled steps, then by halves.
func (c *Conn) Latest(ctx context.Context, organizationID string, t event.Type, n int) ([]*Message, error) {
	events, err := c.js.Stream(ctx, proto.StreamEvents)
	if err != nil {
		return nil, fmt.Errorf("open stream %s: %w", proto.StreamEvents, unavailable(err))
	}
	scope := EventRange{OrganizationID: organizationID, Type: t, Since: time.Unix(0, 0)}                // since ever
	if scope.After, err = c.placeBefore(ctx, scope, events.CachedInfo().State, uint64(n)); err != nil { //nolint:gosec // a small number
		return nil, err
	}
	messages, err := c.History(ctx, scope, latestRead)
	if err != nil {
		return nil, err
	}
	latest := make([]*Message, 0, n)
	for i := len(messages) - 1; i >= 0 && len(latest) < n; i-- {
		latest = append(latest, messages[i])
	}
	return latest, nil
}

// placeBefore returns a sequence after which a range has at least n events, or
// all that there are, and at most latestRead.
func (c *Conn) placeBefore(ctx context.Context, scope EventRange, state jetstream.StreamState, n uint64) (uint64, error) {
	after := func(place uint64) (uint64, error) {
		scope.After = place
		return c.pending(ctx, scope)
	}
	first, last := max(state.FirstSeq, 1)-1, state.LastSeq
	few, enough := last, last // after few there are too few, after enough there are enough
	for step := uint64(latestRead); ; step *= 2 {
		enough = max(first, last-min(step, last))
		count, err := after(enough)
		if err != nil {
			return 0, err
		}
		if count >= n || enough == first {
			break
		}
		few = enough
	}
	for few-enough > 1 {
		count, err := after(enough)
		if err != nil || count <= latestRead {
			return enough, err
		}
		half := enough + (few-enough)/2
		if count, err = after(half); err != nil {
			return 0, err
		}
		if count >= n {
			enough = half
		} else {
			few = half
		}
	}
	return enough, nil
}
