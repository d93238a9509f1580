package recovery

import (
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// rule says which deliveries a webhook missed.
type rule struct {
	webhook webhook.Webhook
	handled uint64        // the dispatchers have finished with every event up to this sequence
	pending time.Duration // see Runner.PendingTime
}

// step is what to do with the next events of a job.
type step struct {
	examined int                 // how many of the events are decided
	position uint64              // the sequence of the last of these
	missed   []delivery.Delivery // of these
	pending  bool                // the event after these is still on its way
}

// step decides on events in order, up to the first whose delivery may still be on
// its way.
func (r rule) step(events []examined, now time.Time) (s step) {
	for i := range events {
		missed, pending := r.missed(&events[i], now)
		if pending {
			s.pending = true
			return s
		}
		if missed {
			s.missed = append(s.missed, events[i].delivery)
		}
		s.examined++
		s.position = events[i].sequence
	}
	return s
}

// missed reports whether the webhook missed an event's delivery, or whether that
// cannot be said yet, since the event may be on its way for the first time.
func (r rule) missed(one *examined, now time.Time) (missed, pending bool) {
	if !one.readable {
		return false, false
	}
	if one.standing.Status != "" || one.sequence <= r.handled {
		return one.standing.Missed(), false
	}
	// The log does not know the delivery, and the dispatchers have not finished
	// with the event.
	if r.webhook.Ordered() && one.sequence >= r.webhook.OrderedFrom {
		return false, false // the webhook itself reads the stream up to here
	}
	if !r.webhook.Ordered() && now.Sub(one.stored) < r.pending {
		return false, true
	}
	return one.standing.Missed(), false
}
