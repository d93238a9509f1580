package dispatch

import (
	"context"
	"fmt"

	"github.com/dialnote/webhooks/pkg/backoff"
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
)

// cameBefore asks the log whether the event came before, in an earlier message that
// the stream still keeps: then that message's deliveries are made or waiting. It
// also notes what the log says for the deliveries that are to follow. It waits while
// the broker is away. While the database is, nothing counts as having come before:
// the webhooks are in the cache, and few events come again just then.
func (p *pendingEvent) cameBefore(work context.Context, targets, ordered []*match.Target) (bool, error) {
	d := p.dispatcher
	var all []delivery.Delivery
	for _, some := range [][]*match.Target{targets, ordered} {
		for _, t := range some {
			all = append(all, p.to(t))
		}
	}
	recorded, err := d.Deliverer.Progress.Before(work, all)
	if fault.Is(err, fault.Unavailable) {
		return false, nil // rather twice than late
	}
	if err != nil {
		return false, fmt.Errorf("read the delivery log: %w", err)
	}
	for _, sequence := range others(recorded, p.message.Sequence) {
		same, err := backoff.Read(work, d.Log, backoff.Broker, "compare an event with an earlier message", func() (bool, error) {
			return d.Repeats.Same(work, p.event, sequence)
		})
		if err != nil {
			return false, err
		}
		if same {
			d.repeated(work, p.event, p.message)
			return true, nil
		}
	}
	p.message.Redelivered = redelivered(p.message.Redelivered, recorded)
	return false, nil
}

// others returns the sequences of the other messages that the deliveries were
// recorded for, each once.
func others(recorded []delivery.Progress, own uint64) (sequences []uint64) {
	seen := map[uint64]bool{0: true, own: true}
	for _, r := range recorded {
		if !seen[r.EventSequence] {
			seen[r.EventSequence] = true
			sequences = append(sequences, r.EventSequence)
		}
	}
	return sequences
}

// redelivered returns whether a message was handed out before, given what the log
// has of its deliveries: nothing is recorded of a message that only may have been,
// and what is recorded has to be read again for each delivery.
func redelivered(known stream.Redelivered, recorded []delivery.Progress) stream.Redelivered {
	anything := false
	for _, r := range recorded {
		anything = anything || r.EventSequence != 0
	}
	switch {
	case anything:
		return max(known, stream.MaybeRedelivered)
	case known == stream.MaybeRedelivered:
		return stream.NotRedelivered
	}
	return known
}
