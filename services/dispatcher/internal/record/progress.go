package record

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
)

// maxQuery is how many deliveries one query asks for.
const maxQuery = 256

// Log is where deliveries are recorded.
type Log interface {
	// Progress returns what is recorded of each of the deliveries within a time.
	Progress(ctx context.Context, deliveryIDs []string, within delivery.TimeRange) (map[string]delivery.Progress, error)
}

// ProgressReader reads what the log already has of deliveries that come again:
// many at once, after the broker or a replica has died. Questions that come while
// one query is under way share the next, so that a backlog costs a query for every
// few hundred events and a single event does not wait for company. Safe for
// concurrent use.
type ProgressReader struct {
	log Log
	now func() time.Time

	mu      sync.Mutex
	waiting []*query // in order; the last one still takes questions
	reading bool
}

// query is one look into the log on behalf of many.
type query struct {
	ids    []string
	within delivery.TimeRange // when one of them can have been attempted
	done   chan struct{}      // closed when found or err is there
	found  map[string]delivery.Progress
	err    error
}

// wait returns what is recorded of one of the deliveries.
func (q *query) wait(ctx context.Context, id string) (delivery.Progress, error) {
	select {
	case <-q.done:
		return q.found[id], q.err
	case <-ctx.Done():
		return delivery.Progress{}, fmt.Errorf("read progress of %s: %w", id, ctx.Err())
	}
}

// NewProgressReader returns a reader of the log.
func NewProgressReader(log Log, now func() time.Time) *ProgressReader {
	return &ProgressReader{log: log, now: now}
}

// Of returns what is recorded of a delivery, the zero Progress when nothing is.
// It returns the log's error, or ctx's when it ends first.
func (r *ProgressReader) Of(ctx context.Context, d delivery.Delivery) (delivery.Progress, error) {
	return r.ask(ctx, d.ID, d.Attempted(r.now())).wait(ctx, d.ID)
}

// Before returns what is recorded of deliveries of one event, those for earlier
// messages of the event included, in their order. It returns the log's error, or
// ctx's when it ends first.
func (r *ProgressReader) Before(ctx context.Context, all []delivery.Delivery) ([]delivery.Progress, error) {
	asked := make([]*query, 0, len(all))
	for _, d := range all {
		asked = append(asked, r.ask(ctx, d.ID, d.AttemptedBefore(r.now())))
	}
	found := make([]delivery.Progress, 0, len(all))
	for i, q := range asked {
		p, err := q.wait(ctx, all[i].ID)
		if err != nil {
			return nil, err
		}
		found = append(found, p)
	}
	return found, nil
}

// ask adds a question to the query that is made next.
func (r *ProgressReader) ask(ctx context.Context, id string, within delivery.TimeRange) *query {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := len(r.waiting) - 1
	if last < 0 || len(r.waiting[last].ids) == maxQuery {
		r.waiting = append(r.waiting, &query{within: within, done: make(chan struct{})})
		last++
	}
	q := r.waiting[last]
	q.ids = append(q.ids, id)
	q.within = q.within.Joined(within)
	if !r.reading {
		r.reading = true
		go r.read(context.WithoutCancel(ctx)) // for others, too
	}
	return q
}

// read makes one query after the other while there are questions.
func (r *ProgressReader) read(ctx context.Context) {
	for q := r.next(); q != nil; q = r.next() {
		q.found, q.err = r.log.Progress(ctx, q.ids, q.within)
		close(q.done)
	}
}

func (r *ProgressReader) next() *query {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) == 0 {
		r.reading = false
		return nil
	}
	q := r.waiting[0]
	r.waiting = r.waiting[1:]
	return q
}
