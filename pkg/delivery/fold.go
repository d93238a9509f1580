package delivery

import (
	"time"

	"github.com/dialnote/webhooks/pkg/webhook"
)

// Resolution is the precision of recorded times: what both databases keep.
const Resolution = time.Microsecond

// Step is the result of one attempt of a batch.
type Step struct {
	// Attempt is one of those that were given.
	Attempt *Attempt

	// Found is false when the webhook does not exist, or no longer since an
	// earlier attempt of the same batch removed it. Then Before and After are
	// zero webhooks. Neither may be changed: steps share them.
	Found    bool
	Before   *webhook.Webhook // with the health before this attempt
	After    *webhook.Webhook // with the health after it
	Decision Decision
}

// Fold decides on the attempts of a batch that is recorded now, in order, each on
// the health that the one before it left. webhooks holds the current webhooks by id
// and is not changed. An automatic disabling raises a webhook's Version by one and is a
// change at the end of its attempt.
//
// All times of the result, and from then on those of the attempts, are in UTC
// and whole Resolutions, so that what is returned equals what is read back
// later.
func Fold(p Policy, webhooks map[string]webhook.Webhook, attempts []Attempt, now time.Time) []Step {
	touched := make(map[string]*webhook.Webhook, len(webhooks)) // nil once removed
	steps := make([]Step, len(attempts))
	left := make([]webhook.Webhook, len(attempts)) // by each step: together, for one allocation
	absent := &webhook.Webhook{}
	for i := range attempts {
		a := &attempts[i]
		a.StartedAt, a.EndedAt = Recordable(a.StartedAt), Recordable(a.EndedAt)
		steps[i] = Step{Attempt: a, Before: absent, After: absent}
		current, seen := touched[a.WebhookID]
		if !seen {
			if w, exists := webhooks[a.WebhookID]; exists {
				current = &w
			}
		}
		if current == nil {
			continue
		}
		after := &left[i]
		decision := decideStep(p, current, *a, Recordable(now), after)
		steps[i] = Step{Attempt: a, Found: true, Before: current, After: after, Decision: decision}
		touched[a.WebhookID] = after
		if decision.Action == Remove {
			touched[a.WebhookID] = nil
		}
	}
	return steps
}

// Recordable returns t in UTC and whole Resolutions.
func Recordable(t time.Time) time.Time { return t.UTC().Truncate(Resolution) }

// decideStep sets after to what attempt a, recorded now, leaves of w.
func decideStep(p Policy, w *webhook.Webhook, a Attempt, now time.Time, after *webhook.Webhook) Decision {
	a.RecordedAt = now
	health, decision := Decide(p, *w, a)
	health.HoldUntil = Recordable(health.HoldUntil)
	decision.At = Recordable(decision.At)
	*after = *w
	after.Health = health
	after.Waiting = w.Waiting || a.Waits == MayWait && decision.Action == Wait
	if w.Health.AutoDisabled != health.AutoDisabled {
		after.Version++
		after.UpdatedAt = later(w.UpdatedAt, a.EndedAt)
	}
	return decision
}
