package recovery

import (
	"context"
	"fmt"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/stream"
)

// page is the next events of a job.
type page struct {
	events []examined
	last   bool // no more events of the job follow
}

// examined is an event in a job's time range, and the state of its delivery by
// the log.
type examined struct {
	sequence uint64
	stored   time.Time
	readable bool // false for a message that went to the rejected stream
	delivery delivery.Delivery
	standing delivery.Standing
}

// read reads the job's next events, and from the log the states of their
// deliveries.
func (r *Runner) read(ctx context.Context, job delivery.Recovery) (page, error) {
	from := stream.EventRange{OrganizationID: job.OrganizationID, Type: job.EventType, Since: job.Since, After: job.Position}
	messages, err := r.Stream.History(ctx, from, batchSize)
	if err != nil {
		return page{}, fmt.Errorf("read events: %w", err)
	}
	p := page{last: len(messages) < batchSize}
	ids := make([]string, 0, len(messages))
	for _, m := range messages {
		if !m.Stored.Before(job.Until) {
			p.last = true
			break
		}
		one := examine(m, job)
		if one.readable {
			ids = append(ids, one.delivery.ID)
		}
		p.events = append(p.events, one)
	}
	standings, err := r.Store.Standings(ctx, ids)
	if err != nil {
		return page{}, fmt.Errorf("read the log: %w", err)
	}
	for i := range p.events {
		one := &p.events[i]
		one.standing = standings[one.delivery.ID]
		one.delivery.PriorAttempts = one.standing.Attempts
	}
	return p, nil
}

// examine reads an event. A message is not readable either when its content is
// of another organization or type than its subject.
func examine(m *stream.Message, job delivery.Recovery) examined {
	one := examined{sequence: m.Sequence, stored: m.Stored}
	e, err := m.Event()
	if err == nil && e.OrganizationID == job.OrganizationID && e.Type == job.EventType {
		one.readable = true
		one.delivery = delivery.Of(e, e.Body(), job.WebhookID, m.Sequence, m.Stored)
	}
	return one
}
