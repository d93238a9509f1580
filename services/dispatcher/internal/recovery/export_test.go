package recovery

import (
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// Event is an event to decide on.
type Event struct {
	Sequence   uint64
	Age        time.Duration
	Unreadable bool
	Status     delivery.Status
}

// Decided is what is decided on events.
type Decided struct {
	Examined int
	Position uint64
	Missed   []string // the IDs of the deliveries
	Pending  bool
}

// Decide decides on events with the rule of a webhook; the delivery of the event
// with the sequence 1 has the ID "1".
func Decide(w webhook.Webhook, handled uint64, pending time.Duration, now time.Time, events ...Event) Decided {
	all := make([]examined, len(events))
	for i, e := range events {
		all[i] = examined{
			sequence: e.Sequence, stored: now.Add(-e.Age), readable: !e.Unreadable,
			delivery: delivery.Delivery{ID: string('0' + rune(e.Sequence))}, standing: delivery.Standing{Status: e.Status},
		}
	}
	s := rule{webhook: w, handled: handled, pending: pending}.step(all, now)
	d := Decided{Examined: s.examined, Position: s.position, Pending: s.pending}
	for _, m := range s.missed {
		d.Missed = append(d.Missed, m.ID)
	}
	return d
}
