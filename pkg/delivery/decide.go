package delivery

import (
	"hash/fnv"
	"slices"
	"time"

	"github.com/dialnote/webhooks/pkg/webhook"
)

// MaxRetryAfter is the longest Retry-After that is honoured (specification,
// section 5.6).
const MaxRetryAfter = 5 * time.Hour

// Policy is the operator's choice of how deliveries are retried.
type Policy struct {
	// Schedule are the pauses after the first, second, … failed attempt. A
	// delivery has one attempt more than the schedule has steps.
	Schedule []time.Duration

	// AutoDisableAfter is the number of consecutive failures that disables a
	// webhook.
	AutoDisableAfter int
}

// DefaultPolicy is the policy of the help page and the specification: retries
// after 10 s, 5 min, 30 min, 2 h and 5 h, disabled after 3 failures.
func DefaultPolicy() Policy {
	return Policy{
		Schedule:         []time.Duration{10 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour},
		AutoDisableAfter: 3,
	}
}

// Attempts returns how many attempts a delivery has in all.
func (p Policy) Attempts() int { return len(p.Schedule) + 1 }

// step returns the schedule's pause after the nth failure, counted from 1.
// Failures past the end of the schedule pause for its last step.
func (p Policy) step(n int) time.Duration {
	if len(p.Schedule) == 0 {
		return 0
	}
	return p.Schedule[min(max(n, 1), len(p.Schedule))-1]
}

// pause returns the jittered pause after the nth failure.
func (p Policy) pause(n int, seed string) time.Duration { return jitter(p.step(n), seed) }

// jitter spreads d by ±10 %, the same for the same seed.
func jitter(d time.Duration, seed string) time.Duration {
	h := fnv.New64a()
	_, _ = h.Write([]byte(seed)) // a hash never fails to write
	unit := float64(h.Sum64()>>11) / (1 << 53)
	return time.Duration(float64(d) * (0.9 + 0.2*unit))
}

// Action is what to do with a delivery next.
type Action string

// The actions.
const (
	Done   Action = "done"   // nothing more to do: delivered, given up or skipped
	Retry  Action = "retry"  // attempt again at Decision.At
	Wait   Action = "wait"   // wait for the webhook: where its Waits says
	Remove Action = "remove" // a Zapier subscription answered 410: delete the webhook
)

// Decision is what follows an attempt.
type Decision struct {
	Action Action
	At     time.Time // when to attempt again: of Retry, and of Wait during a hold
	Status Status    // the delivery's state in the log
	// Counted reports whether a failure raised the webhook's failure count.
	Counted bool
}

// Decide returns what follows attempt a of a webhook: its new health and what
// to do with the delivery. It implements section 5 of the specification:
//
//   - a failure counts unless it overlaps an already counted one (5.2), began
//     before that one was known, ended before counting began, or was our own
//     fault (ReasonInternal);
//   - a counted failure whose reason holds the endpoint sets or lengthens the hold
//     (5.3), and Retry-After lengthens it further (5.6);
//   - the AutoDisableAfter-th failure disables (5.4), a 410 at once (5.5);
//   - a success sets the count to 0 and ends the hold;
//   - a test changes nothing, but its success ends a hold (section 6).
func Decide(p Policy, w webhook.Webhook, a Attempt) (webhook.Health, Decision) {
	h := w.Health
	switch {
	case a.Outcome.Result == Skipped:
		return h, Decision{Action: Done, Status: StatusSkipped}
	case a.Outcome.Result == Deferred:
		return h, Decision{Action: Wait, At: h.HoldUntil, Status: StatusHeld}
	case a.Test:
		return decideTest(h, a)
	case a.Outcome.Result == Succeeded:
		return succeeded(h, a), Decision{Action: Done, Status: StatusDelivered}
	}
	h, counted := countFailure(p, h, a)
	d := next(p, w, h, a)
	d.Counted = counted
	return h, d
}

func decideTest(h webhook.Health, a Attempt) (webhook.Health, Decision) {
	if a.Outcome.Result != Succeeded {
		return h, Decision{Action: Done, Status: StatusFailed}
	}
	return h.EndHold(), Decision{Action: Done, Status: StatusDelivered}
}

// succeeded folds a successful attempt into the health. It does not reset failures
// that ended after it, because then it was only recorded late.
func succeeded(h webhook.Health, a Attempt) webhook.Health {
	h.Outages = slices.DeleteFunc(slices.Clone(h.Outages), func(o webhook.Outage) bool {
		return !o.End.After(a.EndedAt)
	})
	h.FailureCount = len(h.Outages)
	if h.FailureCount == 0 {
		h.Outages, h.HoldUntil = nil, time.Time{}
	}
	h.LastSentAt = later(h.LastSentAt, a.EndedAt)
	h.CountFrom = later(h.CountFrom, a.EndedAt)
	return h
}

// countFailure folds a failed attempt into the health and reports whether it
// was counted.
func countFailure(p Policy, h webhook.Health, a Attempt) (webhook.Health, bool) {
	if h.LastError == nil || !a.EndedAt.Before(h.LastError.At) {
		h.LastError = &webhook.Failure{
			At: a.EndedAt, Reason: string(a.Outcome.Reason),
			Message: a.Outcome.Message, StatusCode: a.Outcome.StatusCode,
		}
	}
	took := webhook.Interval{Start: a.StartedAt, End: a.EndedAt}
	counted := counts(h, a, took)
	if counted {
		h.FailureCount++
		h.Outages = append(slices.Clip(h.Outages), webhook.Outage{Interval: took, Recorded: a.RecordedAt})
	}
	if h.AutoDisabled != webhook.NotAutoDisabled {
		return h, counted
	}
	if counted && a.Outcome.Reason.HoldsEndpoint() {
		h.HoldUntil = later(h.HoldUntil, a.EndedAt.Add(p.pause(h.FailureCount, a.ID)))
	}
	if alive(a.Outcome.Reason) && !a.StartedAt.Before(h.HoldUntil) {
		h = h.EndHold() // the probe found an endpoint that answers
	}
	if h.OnHold() && a.Outcome.RetryAfter > 0 {
		h.HoldUntil = later(h.HoldUntil, a.EndedAt.Add(min(a.Outcome.RetryAfter, MaxRetryAfter)))
	}
	switch {
	case a.Outcome.Reason == ReasonGone:
		h.AutoDisabled = webhook.DisabledAsGone
	case h.FailureCount >= p.AutoDisableAfter:
		h.AutoDisabled = webhook.DisabledForFailures
	default:
		return h, counted
	}
	return h.EndHold(), counted
}

// alive reports whether a failure shows an endpoint that works and refuses
// only this payload.
func alive(r Reason) bool { return r == ReasonClientError || r == ReasonRedirect }

// counts reports whether a failure is one more consecutive failure.
func counts(h webhook.Health, a Attempt, took webhook.Interval) bool {
	if a.Outcome.Reason == ReasonInternal || took.End.Before(h.CountFrom) {
		return false
	}
	holds := a.Outcome.Reason.HoldsEndpoint()
	if holds {
		took = widened(h, took)
	}
	for _, outage := range h.Outages {
		if outage.Overlaps(took) || holds && unaware(h, a, outage) {
			return false
		}
	}
	return true
}

// unaware reports whether a failed attempt and a counted failure each began before
// every replica could know of the other. While the database is slow, replicas go on
// sending: what they run into is the same outage. An attempt after the hold is a
// probe, however late the failure was recorded.
func unaware(h webhook.Health, a Attempt, outage webhook.Outage) bool {
	return a.StartedAt.Before(h.HoldUntil) &&
		a.StartedAt.Before(outage.Recorded.Add(spreading)) && outage.Start.Before(a.RecordedAt.Add(spreading))
}

// spreading is how long it normally takes at most until a failure is recorded and
// every replica knows it.
const spreading = 500 * time.Millisecond

// widened extends the time of a failed attempt, during a hold, by the time until
// replicas know of a failure. An attempt that began before that ran into the same
// outage: so an endpoint that is away for an instant is not disabled because
// thousands of requests were in flight.
func widened(h webhook.Health, took webhook.Interval) webhook.Interval {
	if !h.OnHold() || len(h.Outages) == 0 {
		return took
	}
	began := h.Outages[0].End
	for _, outage := range h.Outages {
		began = later(began, outage.End)
	}
	margin := min(spreading, h.HoldUntil.Sub(began)/2)
	return webhook.Interval{Start: took.Start.Add(-margin), End: took.End.Add(margin)}
}

// next returns what to do with a delivery whose attempt failed, under the
// health that the failure left.
func next(p Policy, w webhook.Webhook, h webhook.Health, a Attempt) Decision {
	if a.Outcome.Reason == ReasonGone && w.Provider == webhook.Zapier {
		return Decision{Action: Remove, Status: StatusFailed}
	}
	if a.try() >= p.Attempts() {
		return Decision{Action: Done, Status: StatusFailed}
	}
	if h.AutoDisabled != webhook.NotAutoDisabled {
		return Decision{Action: Wait, Status: StatusHeld}
	}
	at := a.EndedAt.Add(p.pause(a.try(), a.ID))
	// A delivery that failed in the outage that holds its webhook waits until the
	// hold ends, and no longer although it failed a moment later: it is sent before
	// the events that arrive meanwhile.
	sameOutage := a.Outcome.Reason.HoldsEndpoint() && p.step(a.try()) <= p.step(h.FailureCount)
	if h.OnHold() && (sameOutage || !at.After(h.HoldUntil)) {
		return Decision{Action: Wait, At: h.HoldUntil, Status: StatusRetrying}
	}
	return Decision{Action: Retry, At: at, Status: StatusRetrying}
}

// try returns the attempt's number since the delivery was last requested, counted
// from 1.
func (a Attempt) try() int { return max(1, a.Number-a.PriorAttempts) }

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
