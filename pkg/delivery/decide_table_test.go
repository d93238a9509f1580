package delivery_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// outcomes are all outcomes of an attempt, by the classes that the rules
// distinguish: those of one class are treated alike, for either provider unless
// the class names one.
var outcomes = map[string][]delivery.Outcome{
	"trouble": {
		failed(delivery.ReasonDNS), failed(delivery.ReasonConnect), failed(delivery.ReasonTLS), failed(delivery.ReasonTimeout),
		failed(delivery.ReasonReset), failed(delivery.ReasonRateLimited), failed(delivery.ReasonServerError),
		failed(delivery.ReasonBlockedAddress), failed(delivery.ReasonProtocol),
	},
	"refused":     {failed(delivery.ReasonClientError), failed(delivery.ReasonRedirect)},
	"gone":        {failed(delivery.ReasonGone)},
	"gone zapier": {failed(delivery.ReasonGone)},
	"internal":    {failed(delivery.ReasonInternal)},
	"succeeded":   {succeeded()},
	"deferred":    {{Result: delivery.Deferred}},
	"skipped":     {{Result: delivery.Skipped}},
}

// health returns the health of a webhook with so many counted failures, each of
// a second and a thousand seconds apart, the last of them from 0 to 1. It is on
// hold until a time unless that is 0.
func health(failures int, hold float64) webhook.Health {
	h := webhook.Health{FailureCount: failures}
	for i := range failures {
		begin := float64(i-failures+1) * 1000
		h.Outages = append(h.Outages, webhook.Outage{Interval: webhook.Interval{Start: at(begin), End: at(begin + 1)}})
	}
	if failures > 0 {
		h.LastError = &webhook.Failure{At: at(1), Reason: "timeout"}
	}
	if hold != 0 {
		h.HoldUntil = at(hold)
	}
	return h
}

func autoDisabled(reason webhook.DisabledReason) webhook.Health {
	h := health(3, 0)
	h.AutoDisabled = reason
	return h
}

// sentAt returns the health of a webhook whose last delivery succeeded then.
func sentAt(seconds float64) webhook.Health {
	return webhook.Health{LastSentAt: at(seconds), CountFrom: at(seconds)}
}

// TestEveryOutcomeInEverySituation is section 5 of the specification as a table:
// each outcome of an attempt, in each situation that a rule distinguishes, on both
// sides of every border.
func TestEveryOutcomeInEverySituation(t *testing.T) {
	t.Parallel()
	type want = map[string]string // by class of outcome
	for name, c := range map[string]struct {
		before  webhook.Health
		attempt delivery.Attempt
		want    want
	}{
		"the first attempt": {health(0, 0), attempt(1, 0, 1, delivery.Outcome{}), want{
			"trouble":     "count 1, hold 10s: wait, retrying, at the hold's end",
			"refused":     "count 1: retry, retrying, after 10s",
			"gone":        "count 1, auto_disabled gone: wait, held",
			"gone zapier": "count 1, auto_disabled gone: remove, failed",
			"internal":    "count 0: retry, retrying, after 10s",
			"succeeded":   "count 0, sent: done, delivered",
			"deferred":    "count 0: wait, held",
			"skipped":     "count 0: done, skipped",
		}},
		"the third attempt": {health(0, 0), attempt(3, 0, 1, delivery.Outcome{}), want{
			"trouble":     "count 1, hold 10s: retry, retrying, after 30m0s",
			"refused":     "count 1: retry, retrying, after 30m0s",
			"gone":        "count 1, auto_disabled gone: wait, held",
			"gone zapier": "count 1, auto_disabled gone: remove, failed",
			"internal":    "count 0: retry, retrying, after 30m0s",
		}},
		"the last attempt": {health(0, 0), attempt(6, 0, 1, delivery.Outcome{}), want{
			"trouble":     "count 1, hold 10s: done, failed",
			"refused":     "count 1: done, failed",
			"gone":        "count 1, auto_disabled gone: done, failed",
			"gone zapier": "count 1, auto_disabled gone: remove, failed",
			"internal":    "count 0: done, failed",
			"succeeded":   "count 0, sent: done, delivered",
		}},
		"asked for again after six": {health(0, 0), again(attempt(7, 0, 1, delivery.Outcome{}), 6), want{
			"trouble": "count 1, hold 10s: wait, retrying, at the hold's end",
			"refused": "count 1: retry, retrying, after 10s",
		}},
		"overlapping a counted failure": {health(1, 11), attempt(1, 0.5, 2, delivery.Outcome{}), want{
			"trouble":     "count 1, hold kept: wait, retrying, at the hold's end",
			"refused":     "count 1, hold kept: retry, retrying, after 10s",
			"gone":        "count 1, auto_disabled gone: wait, held",
			"gone zapier": "count 1, auto_disabled gone: remove, failed",
			"internal":    "count 1, hold kept: retry, retrying, after 10s",
			"succeeded":   "count 0, sent: done, delivered",
			"deferred":    "count 1, hold kept: wait, held, at the hold's end",
			"skipped":     "count 1, hold kept: done, skipped",
		}},
		"begun as a counted failure ended": {health(1, 11), attempt(1, 1, 2, delivery.Outcome{}), want{
			"trouble":  "count 1, hold kept: wait, retrying, at the hold's end", // no replica could know of it
			"refused":  "count 2, hold kept: retry, retrying, after 10s",        // an answer is no outage
			"internal": "count 1, hold kept: retry, retrying, after 10s",
		}},
		"begun before a failure could be known": {health(1, 11), attempt(1, 1.499, 3, delivery.Outcome{}), want{
			"trouble": "count 1, hold kept: wait, retrying, at the hold's end",
		}},
		"begun when a failure was known": {health(1, 11), attempt(1, 1.5, 3, delivery.Outcome{}), want{
			"trouble":   "count 2, hold 5m0s: wait, retrying, at the hold's end",
			"refused":   "count 2, hold kept: retry, retrying, after 10s",
			"gone":      "count 2, auto_disabled gone: wait, held",
			"internal":  "count 1, hold kept: retry, retrying, after 10s",
			"succeeded": "count 0, sent: done, delivered",
		}},
		"begun half of a short hold after a failure": {health(1, 1.2), attempt(1, 1.1, 1.15, delivery.Outcome{}), want{
			"trouble": "count 2, hold 5m0s: wait, retrying, at the hold's end",
		}},
		"begun before half of a short hold": {health(1, 1.2), attempt(1, 1.099, 1.15, delivery.Outcome{}), want{
			"trouble": "count 1, hold kept: wait, retrying, at the hold's end",
		}},
		"just before the hold's end": {health(1, 11), attempt(2, 10.999, 12, delivery.Outcome{}), want{
			"refused": "count 2, hold kept: retry, retrying, after 5m0s",
		}},
		"the probe": {health(1, 11), attempt(2, 11, 12, delivery.Outcome{}), want{
			"trouble":     "count 2, hold 5m0s: wait, retrying, at the hold's end",
			"refused":     "count 2: retry, retrying, after 5m0s",
			"gone":        "count 2, auto_disabled gone: wait, held",
			"gone zapier": "count 2, auto_disabled gone: remove, failed",
			"internal":    "count 1, hold kept: retry, retrying, after 5m0s",
			"succeeded":   "count 0, sent: done, delivered",
			"deferred":    "count 1, hold kept: wait, held, at the hold's end",
			"skipped":     "count 1, hold kept: done, skipped",
		}},
		"the probe is a new delivery's": {health(1, 11), attempt(1, 11, 12, delivery.Outcome{}), want{
			"trouble": "count 2, hold 5m0s: wait, retrying, at the hold's end",
			"refused": "count 2: retry, retrying, after 10s",
		}},
		"the second probe": {health(2, 300), attempt(3, 300, 301, delivery.Outcome{}), want{
			"trouble":     "count 3, auto_disabled failures: wait, held",
			"refused":     "count 3, auto_disabled failures: wait, held",
			"gone":        "count 3, auto_disabled gone: wait, held",
			"gone zapier": "count 3, auto_disabled gone: remove, failed",
			"internal":    "count 2, hold kept: retry, retrying, after 30m0s",
			"succeeded":   "count 0, sent: done, delivered",
		}},
		"the second probe is a delivery's last attempt": {health(2, 300), attempt(6, 300, 301, delivery.Outcome{}), want{
			"trouble": "count 3, auto_disabled failures: done, failed",
			"refused": "count 3, auto_disabled failures: done, failed",
		}},
		"more failures than now disable": {health(4, 300), attempt(1, 300, 301, delivery.Outcome{}), want{
			"trouble": "count 5, auto_disabled failures: wait, held",
		}},
		"under way when it was disabled": {autoDisabled(webhook.DisabledForFailures), attempt(1, 0.5, 2, delivery.Outcome{}), want{
			"trouble":     "count 3, auto_disabled failures: wait, held",
			"refused":     "count 3, auto_disabled failures: wait, held",
			"gone":        "count 3, auto_disabled failures: wait, held",
			"gone zapier": "count 3, auto_disabled failures: remove, failed",
			"internal":    "count 3, auto_disabled failures: wait, held",
			"succeeded":   "count 0, auto_disabled failures, sent: done, delivered",
			"deferred":    "count 3, auto_disabled failures: wait, held",
			"skipped":     "count 3, auto_disabled failures: done, skipped",
		}},
		"after it was disabled": {autoDisabled(webhook.DisabledAsGone), attempt(2, 20, 21, delivery.Outcome{}), want{
			"trouble": "count 4, auto_disabled gone: wait, held",
			"refused": "count 4, auto_disabled gone: wait, held",
		}},
		"ended before the last success": {sentAt(10), attempt(1, 9, 9.999, delivery.Outcome{}), want{
			"trouble":   "count 0: retry, retrying, after 10s",
			"refused":   "count 0: retry, retrying, after 10s",
			"gone":      "count 0, auto_disabled gone: wait, held", // it is gone, whatever is counted
			"succeeded": "count 0: done, delivered",                // the later one stands
		}},
		"ended as the last success did": {sentAt(10), attempt(1, 9, 10, delivery.Outcome{}), want{
			"trouble": "count 1, hold 10s: wait, retrying, at the hold's end",
			"refused": "count 1: retry, retrying, after 10s",
		}},
		"ended before the last failure": {health(2, 300), attempt(1, -10, -5, delivery.Outcome{}), want{
			"succeeded": "count 1, hold kept, sent: done, delivered",
		}},
		"ended as the last failure did": {health(2, 300), attempt(1, -10, 1, delivery.Outcome{}), want{
			"succeeded": "count 0, sent: done, delivered",
		}},
		"during a long hold": {health(1, 7200), attempt(1, 20, 21, delivery.Outcome{}), want{
			"trouble": "count 2, hold kept: wait, retrying, at the hold's end", // which is later than its step
			"refused": "count 2, hold kept: wait, retrying, at the hold's end",
		}},
	} {
		for class, want := range c.want {
			for _, o := range outcomes[class] {
				for _, provider := range providers(class) {
					w := active()
					w.Provider, w.Health = provider, c.before
					a := c.attempt
					a.Outcome = o
					if got := words(w, a); got != want {
						t.Errorf("%s: %s %s, %s:\n got %s\nwant %s", name, class, o.Reason, provider, got, want)
					}
				}
			}
		}
	}
}

// providers returns whose outcomes a class is.
func providers(class string) []webhook.Provider {
	switch class {
	case "gone":
		return []webhook.Provider{webhook.Custom}
	case "gone zapier":
		return []webhook.Provider{webhook.Zapier}
	default:
		return []webhook.Provider{webhook.Custom, webhook.Zapier}
	}
}

func again(a delivery.Attempt, earlier int) delivery.Attempt {
	a.PriorAttempts = earlier
	return a
}

// words returns in words what Decide makes of an attempt: the webhook's health,
// and what is done with the delivery. Pauses are named by the schedule's step.
func words(w webhook.Webhook, a delivery.Attempt) string {
	h, d := delivery.Decide(delivery.DefaultPolicy(), w, a)
	health := []string{fmt.Sprint("count ", h.FailureCount)}
	switch {
	case !h.OnHold():
	case h.HoldUntil.Equal(w.Health.HoldUntil):
		health = append(health, "hold kept")
	default:
		health = append(health, "hold "+step(h.HoldUntil.Sub(a.EndedAt)))
	}
	if h.AutoDisabled != webhook.NotAutoDisabled {
		health = append(health, "auto_disabled "+string(h.AutoDisabled))
	}
	if !h.LastSentAt.Equal(w.Health.LastSentAt) {
		health = append(health, "sent")
	}
	if len(h.Outages) != h.FailureCount {
		health = append(health, fmt.Sprint(len(h.Outages), " outages"))
	}
	if d.Counted != (h.FailureCount > w.Health.FailureCount) {
		health = append(health, fmt.Sprint("counted ", d.Counted))
	}
	next := []string{string(d.Action), string(d.Status)}
	switch {
	case d.At.IsZero():
	case h.OnHold() && d.At.Equal(h.HoldUntil):
		next = append(next, "at the hold's end")
	default:
		next = append(next, "after "+step(d.At.Sub(a.EndedAt)))
	}
	return strings.Join(health, ", ") + ": " + strings.Join(next, ", ")
}

// step returns the step of the schedule that a pause is, within its ±10 %.
func step(pause time.Duration) string {
	schedule := delivery.DefaultPolicy().Schedule
	i := slices.IndexFunc(schedule, func(s time.Duration) bool { return near(at(0).Add(pause), at(0), s) })
	if i < 0 {
		return pause.String()
	}
	return schedule[i].String()
}
