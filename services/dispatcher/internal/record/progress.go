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

// NewProgressReader returns a reader of the log.
func NewProgressReader(log Log, now func() time.Time) *ProgressReader {
	return &ProgressReader{log: log, now: now}
}

// Of returns what is recorded of a delivery, the zero Progress when nothing is.
// It returns the log's error, or ctx's when it ends first.
func (r *ProgressReader) Of(ctx context.Context, d delivery.Delivery) (delivery.Progress, error) {
	q := r.ask(ctx, d)
	select {
	case <-q.done:
		return q.found[d.ID], q.err
	case <-ctx.Done():
		return delivery.Progress{}, fmt.Errorf("read progress of %s: %w", d.ID, ctx.Err())
	}
}

// ask adds a question to the query that is made next.
func (r *ProgressReader) ask(ctx context.Context, d delivery.Delivery) *query {
	within := d.Attempted(r.now())
	r.mu.Lock()
	defer r.mu.Unlock()
	last := len(r.waiting) - 1
	if last < 0 || len(r.waiting[last].ids) == maxQuery {
		r.waiting = append(r.waiting, &query{within: within, done: make(chan struct{})})
		last++
	}
	q := r.waiting[last]
	q.ids = append(q.ids, d.ID)
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
