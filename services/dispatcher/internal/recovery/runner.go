// Package recovery works on recoveries: jobs that deliver what a webhook missed.
// It only puts deliveries into the webhook's lane, whose reader sends them.
//
// The replicas share the jobs. A replica takes the lease of a job for one batch
// of events, and writes the job's progress into the same row. When it dies, the
// lease runs out and another replica repeats the batch; the lane stores no
// delivery of the same job twice.
package recovery

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/dialnote/webhooks/pkg/backoff"
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/dispatcher/internal/deliver"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
)

const (
	// lease is how long a batch may take before another replica repeats it.
	lease = 10 * time.Second

	// batchSize is how many events are examined under one lease.
	batchSize = 128

	// stepSize is how many of a batch's events are queued together.
	stepSize = 32

	// idlePause is how long a replica that found no job waits before it looks
	// again.
	idlePause = time.Second

	// pendingPause is how long a replica waits for the dispatchers to finish with
	// the job's next event.
	pendingPause = 100 * time.Millisecond
)

// Runner works on recoveries.
type Runner struct {
	Replica   string // the holder of the leases
	Store     store.Recoveries
	Stream    *stream.Conn
	Matcher   *match.Matcher
	Deliverer *deliver.Deliverer

	// PendingTime is for how long after it was stored an event may be on its way
	// to a webhook without an entry in the log.
	PendingTime time.Duration

	Now func() time.Time
	Log *slog.Logger
}

// Run works on jobs until ctx ends, and then finishes its batch. work is the
// context of the batches.
func (r *Runner) Run(ctx, work context.Context) {
	for try := 0; ctx.Err() == nil; {
		pause, err := r.runBatch(ctx, work)
		if err != nil && ctx.Err() == nil {
			r.Log.Warn("recovery failed, retrying", slog.Any("error", err))
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

// runBatch works on one batch of the job that has waited longest, and returns how
// long to wait before the next batch.
func (r *Runner) runBatch(ctx, work context.Context) (pause time.Duration, err error) {
	if err := r.Deliverer.WaitForCapacity(ctx); err != nil {
		return 0, err
	}
	job, ok, err := r.Store.ClaimRecovery(ctx, r.Replica, r.Now(), lease)
	if err != nil {
		return 0, fmt.Errorf("look for recoveries: %w", err)
	}
	if !ok {
		return idlePause, nil
	}
	leased, cancel := context.WithTimeout(work, lease)
	defer cancel()
	before := job.Position
	if job, err = r.advance(leased, job); err != nil {
		return 0, fmt.Errorf("recovery %s: %w", job.ID, err)
	}
	// It reports false when the job was cancelled or its lease ran out. Then the
	// batch does not count, and nothing is left to do.
	if _, err := r.Store.AdvanceRecovery(leased, r.Replica, job, r.Now()); err != nil {
		return 0, fmt.Errorf("recovery %s: %w", job.ID, err)
	}
	if job.Status == delivery.RecoveryRunning && job.Position == before {
		return pendingPause, nil
	}
	return 0, nil
}

// advance examines a job's next events, queues the deliveries that were missed,
// and returns the job as it is then.
func (r *Runner) advance(ctx context.Context, job delivery.Recovery) (delivery.Recovery, error) {
	target, err := r.find(ctx, job)
	if err != nil {
		return job, err
	}
	if why := unfit(target, job); why != "" {
		return job.End(delivery.RecoveryFailed, why, r.Now()), nil
	}
	// This is asked before the log is, so that what the dispatchers finish
	// meanwhile is in the log.
	handled, err := r.Stream.Handled(ctx, target.Webhook)
	if err != nil {
		return job, fmt.Errorf("read the position of the dispatchers: %w", err)
	}
	page, err := r.read(ctx, job)
	if err != nil {
		return job, err
	}
	rule := rule{webhook: target.Webhook, handled: handled, pending: r.PendingTime}
	// A batch that takes more than half of its lease ends early, so that what is
	// done counts.
	end := r.Now().Add(lease / 2)
	for len(page.events) > 0 {
		s := rule.step(page.events[:min(len(page.events), stepSize)], r.Now())
		if job, err = r.queue(ctx, target, job, s); err != nil {
			return job, err
		}
		page.events = page.events[s.examined:]
		if len(page.events) > 0 && (s.pending || r.Now().After(end)) {
			job.Total = max(job.Total, job.Examined)
			return job, nil
		}
	}
	if page.last {
		job.Total = job.Examined // some of the events that were counted may have expired
		return job.End(delivery.RecoveryDone, "", r.Now()), nil
	}
	job.Total = max(job.Total, job.Examined)
	return job, nil
}

// queue puts a step's missed deliveries into the lane, unless the job only
// counts, and returns the job as it is after the step.
func (r *Runner) queue(ctx context.Context, t *match.Target, job delivery.Recovery, s step) (delivery.Recovery, error) {
	if s.examined == 0 {
		return job, nil
	}
	job.Examined += int64(s.examined)
	job.Queued += int64(len(s.missed))
	job.Position = s.position
	if job.DryRun || len(s.missed) == 0 {
		return job, nil
	}
	put := func(d delivery.Delivery) error { return r.Stream.Requeue(ctx, d, job.ID) }
	return job, r.Deliverer.Requeue(ctx, t, s.missed, "Waiting to be delivered: it was missed and is being recovered.", put)
}

// find returns the job's webhook, or nil when it does not exist. An answer that
// would end the job is read from the database, since the cache may be old.
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

// unfit returns why a job cannot go on, or "" when it can.
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
