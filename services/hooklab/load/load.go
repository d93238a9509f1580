// Package load publishes events at a steady rate and reports the results.
package load

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
)

// Publisher publishes one event and returns once it is stored safely. A
// *fault.Error of kind Unavailable or RateLimited means that it may be tried
// again. API and stream.Conn are publishers. It is used by several at once.
type Publisher interface {
	Publish(ctx context.Context, e event.Event) error
}

// Plan says what to publish.
type Plan struct {
	Count       int     // how many events
	Rate        float64 // events per second; 0 for as fast as they are taken
	Concurrency int     // events under way at once; less than 1 means 1

	// Patience is how long an event is tried again while the publisher says
	// that it is unavailable. It is the same event each time.
	Patience time.Duration

	// Next returns the next event. It is called by one at a time.
	Next func() (event.Event, error)

	// Accepted, when set, is called for each event that was stored, by one at a
	// time.
	Accepted func(event.Event)
}

// Report is the result of a plan.
type Report struct {
	Accepted int
	Failed   int
	Retries  int // publishings after an event's first
	Elapsed  time.Duration

	// FirstError is the first event's error that was given up, nil when none
	// was.
	FirstError error

	// Latency of the accepted events. With a rate it is measured from the
	// moment when the event was due, so that a publisher that stalls shows in
	// every event that had to wait for it.
	P50, P90, P99, Max time.Duration
}

// Rate returns the accepted events per second.
func (r Report) Rate() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Accepted) / r.Elapsed.Seconds()
}

// String returns the report in two lines, and a third when events failed.
func (r Report) String() string {
	text := fmt.Sprintf("accepted %d of %d events in %s: %.0f a second, %d retries\nlatency p50 %s  p90 %s  p99 %s  max %s\n",
		r.Accepted, r.Accepted+r.Failed, r.Elapsed.Round(time.Millisecond), r.Rate(), r.Retries,
		round(r.P50), round(r.P90), round(r.P99), round(r.Max))
	if r.FirstError != nil {
		text += fmt.Sprintf("the first of %d failures: %v\n", r.Failed, r.FirstError)
	}
	return text
}

func round(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }

// Run carries a plan out and returns its report. It returns early, with the results
// until then, when ctx ends or Next fails.
func Run(ctx context.Context, p Publisher, plan Plan) (Report, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := &run{publisher: p, plan: plan, started: time.Now(), stop: cancel}
	var workers sync.WaitGroup
	for range max(1, plan.Concurrency) {
		workers.Go(func() {
			for r.one(ctx) {
			}
		})
	}
	workers.Wait()
	if err := context.Cause(ctx); err != nil {
		return r.finish(), fmt.Errorf("stopped after %d events: %w", r.taken, err)
	}
	return r.finish(), nil
}

// run is a plan being carried out.
type run struct {
	publisher Publisher
	plan      Plan
	started   time.Time
	stop      context.CancelCauseFunc

	mu        sync.Mutex
	taken     int
	report    Report
	latencies []time.Duration
}

// one publishes the next event. It returns false when there is none left.
func (r *run) one(ctx context.Context) bool {
	e, due, ok := r.take()
	if !ok || !pause(ctx, time.Until(due)) {
		return false
	}
	since := due
	if r.plan.Rate <= 0 {
		since = time.Now()
	}
	retries, err := r.publish(ctx, e)
	r.note(e, time.Since(since), retries, err)
	return ctx.Err() == nil
}

// take returns the next event and when it is due.
func (r *run) take() (event.Event, time.Time, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.taken >= r.plan.Count {
		return event.Event{}, time.Time{}, false
	}
	e, err := r.plan.Next()
	if err != nil {
		r.stop(err)
		return event.Event{}, time.Time{}, false
	}
	due := r.started
	if r.plan.Rate > 0 {
		due = due.Add(time.Duration(float64(r.taken) / r.plan.Rate * float64(time.Second)))
	}
	r.taken++
	return e, due, true
}

// retryPause is between two tries of an event.
const retryPause = 100 * time.Millisecond

// publish publishes an event, with patience, and returns how often it had to be
// tried again.
func (r *run) publish(ctx context.Context, e event.Event) (retries int, err error) {
	for deadline := time.Now().Add(r.plan.Patience); ; retries++ {
		err = r.publisher.Publish(ctx, e)
		again := fault.Is(err, fault.Unavailable) || fault.Is(err, fault.RateLimited)
		if !again || time.Until(deadline) < retryPause || !pause(ctx, retryPause) {
			return retries, err
		}
	}
}

func (r *run) note(e event.Event, took time.Duration, retries int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Retries += retries
	if err != nil {
		r.report.Failed++
		if r.report.FirstError == nil {
			r.report.FirstError = err
		}
		return
	}
	r.report.Accepted++
	r.latencies = append(r.latencies, took)
	if r.plan.Accepted != nil {
		r.plan.Accepted(e)
	}
}

func (r *run) finish() Report {
	report := r.report
	report.Elapsed = time.Since(r.started)
	slices.Sort(r.latencies)
	report.P50, report.P90 = percentile(r.latencies, 0.50), percentile(r.latencies, 0.90)
	report.P99, report.Max = percentile(r.latencies, 0.99), percentile(r.latencies, 1)
	return report
}

// percentile returns the smallest of the sorted values that at least the share
// p of them does not exceed, 0 when there are none.
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, int(math.Ceil(p*float64(len(sorted))))-1)]
}

// pause waits for d, if it is positive. It returns false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
