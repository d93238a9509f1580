// Package recovery works on the jobs that deliver what a webhook missed. It
// only puts deliveries into the webhook's lane: the lane paces them.
//
// The replicas share the jobs, a batch at a time: whoever holds a job's lease
// examines its next events, and writes how far it is in the same row. A replica
// that dies leaves a lease that runs out; the next one repeats the batch, and
// the lane drops what it already has.
package recovery

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/dialnote/webhooks/pkg/backoff"
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/dispatcher/internal/deliver"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
)

const (
	// Lease is how long a batch may take before another replica repeats it.
	Lease = 10 * time.Second

	// batchSize is how many events are examined under one lease.
	batchSize = 128

	// stepSize is how many of them are queued together.
	stepSize = 32

	// idle is how long a replica that found no job waits to look again.
	idle = time.Second

	// unsettledPause is how long a replica waits for the dispatchers to finish
	// with the event that is next.
	unsettledPause = 100 * time.Millisecond
)

// Store keeps the jobs and the log; see store.Recoveries.
type Store interface {
	ClaimRecovery(ctx context.Context, holder string, now time.Time, lease time.Duration) (delivery.Recovery, bool, error)
	AdvanceRecovery(ctx context.Context, holder string, r delivery.Recovery, now time.Time) (bool, error)
	Standings(ctx context.Context, deliveryIDs []string) (map[string]delivery.Standing, error)
}

// Stream has the events and the lanes.
type Stream interface {
	History(ctx context.Context, s stream.EventRange, n int) ([]*stream.Message, error)
	Handled(ctx context.Context, w webhook.Webhook) (uint64, error)
	Requeue(ctx context.Context, d delivery.Delivery, request string) error
}

// Matcher finds a webhook.
type Matcher interface {
	Find(ctx context.Context, organizationID, webhookID string) (*match.Target, error)
	Drop(organizationID string)
}

// Runner works on recoveries.
type Runner struct {
	Replica   string // its name as the holder of leases
	Store     Store
	Stream    Stream
	Matcher   Matcher
	Deliverer *deliver.Deliverer

	// Settled is how old an event is that the log would know if it had ever
	// been this webhook's, even while others keep the dispatchers busy.
	Settled time.Duration

	Now func() time.Time
	Log *slog.Logger
}

// Run works on jobs until ctx ends, and then finishes the batch that it has.
// work is the context of the batches.
func (r *Runner) Run(ctx, work context.Context) {
	for try := 0; ctx.Err() == nil; {
		pause, err := r.step(ctx, work)
		if err != nil && ctx.Err() == nil {
			r.Log.Warn("a recovery cannot go on; trying until it can", slog.Any("error", err))
			pause = backoff.Pause(try)
			try++
		} else {
			try = 0
		}
		if pause > 0 {
			backoff.Sleep(ctx, pause)
		}
	}
}

// step works on one batch of the job that waited longest, and returns how long
// to wait before the next.
func (r *Runner) step(ctx, work context.Context) (time.Duration, error) {
	if err := r.Deliverer.WaitForCapacity(ctx); err != nil {
		return 0, err
	}
	job, ok, err := r.Store.ClaimRecovery(ctx, r.Replica, r.Now(), Lease)
	if err != nil {
		return 0, fmt.Errorf("look for recoveries: %w", err)
	}
	if !ok {
		return idle, nil
	}
	leased, cancel := context.WithTimeout(work, Lease)
	defer cancel()
	before := job.Position
	if job, err = r.batch(leased, job); err != nil {
		return 0, fmt.Errorf("recovery %s: %w", job.ID, err)
	}
	// When this reports false, it was cancelled or its lease had run out.
	if _, err := r.Store.AdvanceRecovery(leased, r.Replica, job, r.Now()); err != nil {
		return 0, fmt.Errorf("recovery %s: %w", job.ID, err)
	}
	if job.Status == delivery.RecoveryRunning && job.Position == before {
		return unsettledPause, nil
	}
	return 0, nil
}

// batch examines a job's next events, queues what was missed, and returns the
// job as it is then.
func (r *Runner) batch(ctx context.Context, job delivery.Recovery) (delivery.Recovery, error) {
	target, err := r.find(ctx, job)
	if err != nil {
		return job, err
	}
	if why := unfit(target, job); why != "" {
		return job.End(delivery.RecoveryFailed, why, r.Now()), nil
	}
	// Asked before the log: what the dispatchers finish in between is in it.
	handled, err := r.Stream.Handled(ctx, target.Webhook)
	if err != nil {
		return job, fmt.Errorf("see how far the dispatchers are: %w", err)
	}
	found, err := r.examine(ctx, job)
	if err != nil {
		return job, err
	}
	// What is done in half of the lease counts, however slow the rest is.
	began := r.Now()
	for rest := found.events; len(rest) > 0; {
		some := rest[:min(len(rest), stepSize)]
		settled := r.settled(some, target.Webhook, handled)
		if job, err = r.queue(ctx, target, job, some[:settled]); err != nil {
			return job, err
		}
		rest = rest[settled:]
		if len(rest) > 0 && (settled < len(some) || r.Now().Sub(began) > Lease/2) {
			found.last = false
			break
		}
	}
	if found.last {
		job.Total = job.Examined // what was counted may have expired meanwhile
		return job.End(delivery.RecoveryDone, "", r.Now()), nil
	}
	job.Total = max(job.Total, job.Examined)
	return job, nil
}

// queue queues what was missed of these events, and returns the job as it is
// after them.
func (r *Runner) queue(ctx context.Context, t *match.Target, job delivery.Recovery, events []examined) (delivery.Recovery, error) {
	var missed []delivery.Delivery
	for _, f := range events {
		job.Examined++
		job.Position = f.sequence
		if f.readable && f.standing.Missed() {
			job.Queued++
			missed = append(missed, f.delivery)
		}
	}
	if job.DryRun || len(missed) == 0 {
		return job, nil
	}
	put := func(d delivery.Delivery) error { return r.Stream.Requeue(ctx, d, job.ID) }
	return job, r.Deliverer.Requeue(ctx, t, missed, "Waiting to be delivered: it was missed and is being recovered.", put)
}

// find returns the job's webhook, nil when it is gone. That it is gone, or has
// changed, is not believed from the cache: the job would end for good.
func (r *Runner) find(ctx context.Context, job delivery.Recovery) (*match.Target, error) {
	t, err := r.Matcher.Find(ctx, job.OrganizationID, job.WebhookID)
	if err == nil && unfit(t, job) != "" {
		r.Matcher.Drop(job.OrganizationID)
		t, err = r.Matcher.Find(ctx, job.OrganizationID, job.WebhookID)
	}
	if err != nil {
		return nil, fmt.Errorf("find webhook %s: %w", job.WebhookID, err)
	}
	return t, nil
}

// unfit returns why a job cannot go on, "" when it can.
func unfit(t *match.Target, job delivery.Recovery) string {
	switch {
	case t == nil:
		return "The webhook was deleted."
	case t.Webhook.Status() == webhook.StatusDisabled:
		return "The webhook was disabled."
	case !t.Webhook.Event.Matches(job.EventType):
		return "The webhook's event was changed."
	}
	return ""
}

// examined is one event of a job's time, and how its delivery stands.
type examined struct {
	sequence uint64
	stored   time.Time
	readable bool // one that cannot be read went to the rejected stream
	delivery delivery.Delivery
	standing delivery.Standing
}

type page struct {
	events []examined
	last   bool // no more of the job's events follow
}

// examine reads the job's next events and what the log knows of them.
func (r *Runner) examine(ctx context.Context, job delivery.Recovery) (page, error) {
	span := stream.EventRange{OrganizationID: job.OrganizationID, Type: job.EventType, Since: job.Since, After: job.Position}
	messages, err := r.Stream.History(ctx, span, batchSize)
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
		f := examined{sequence: m.Sequence, stored: m.Stored}
		if e, err := m.Event(); err == nil && e.OrganizationID == job.OrganizationID && e.Type == job.EventType {
			f.readable = true
			f.delivery = delivery.Of(e, e.Body(), job.WebhookID, m.Sequence, m.Stored)
			ids = append(ids, f.delivery.ID)
		}
		p.events = append(p.events, f)
	}
	standings, err := r.Store.Standings(ctx, ids)
	if err != nil {
		return page{}, fmt.Errorf("read the log: %w", err)
	}
	for i := range p.events {
		f := &p.events[i]
		f.standing = standings[f.delivery.ID]
		f.delivery.PriorAttempts = f.standing.Attempts
	}
	return p, nil
}

// settled returns how many of the events, from the first on, nobody is working
// on any more.
func (r *Runner) settled(events []examined, w webhook.Webhook, handled uint64) int {
	for i := range events {
		if !r.unsettled(events[i], w, handled) {
			continue
		}
		if !w.Ordered() {
			return i
		}
		events[i].standing.Status = delivery.StatusHeld // it waits in its ordered place
	}
	return len(events)
}

// unsettled reports whether an event that the log does not know may still be on
// its way to the webhook.
func (r *Runner) unsettled(f examined, w webhook.Webhook, handled uint64) bool {
	if !f.readable || f.standing.Status != "" || f.sequence <= handled {
		return false
	}
	if w.Ordered() {
		return f.sequence >= w.OrderedFrom
	}
	return r.Now().Sub(f.stored) < r.Settled
}
