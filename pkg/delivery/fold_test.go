package delivery_test

import (
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// foldStart has nanoseconds and a zone, which no database keeps.
var foldStart = time.Date(2026, 3, 1, 12, 0, 0, 123_456_789, time.FixedZone("", 3600))

func failedAttempt(webhookID string, start, end time.Duration, reason delivery.Reason) delivery.Attempt {
	return delivery.Attempt{
		ID: "att", WebhookID: webhookID, Number: 1, StartedAt: foldStart.Add(start), EndedAt: foldStart.Add(end),
		Outcome: delivery.Outcome{Result: delivery.Failed, Reason: reason, Message: "No."},
	}
}

func TestFoldDecidesEachAttemptOnWhatTheOneBeforeLeft(t *testing.T) {
	t.Parallel()
	given := map[string]webhook.Webhook{
		"a": {ID: "a", Provider: webhook.Custom, Event: webhook.SendNotes, Version: 7},
		"z": {ID: "z", Provider: webhook.Zapier, Event: webhook.SendNotes, Version: 1},
	}
	steps := delivery.Fold(delivery.DefaultPolicy(), given, []delivery.Attempt{
		failedAttempt("a", 0, 2*time.Second, delivery.ReasonServerError),
		failedAttempt("z", 0, time.Second, delivery.ReasonGone),
		failedAttempt("a", time.Second, 3*time.Second, delivery.ReasonServerError), // the same outage
		failedAttempt("a", 4*time.Second, 5*time.Second, delivery.ReasonServerError),
		failedAttempt("z", time.Second, 2*time.Second, delivery.ReasonGone), // removed meanwhile
		failedAttempt("a", 6*time.Second, 7*time.Second, delivery.ReasonServerError),
		failedAttempt("absent", 0, time.Second, delivery.ReasonServerError),
	}, time.Time{})
	type short struct {
		found   bool
		counts  [2]int
		version int64
		action  delivery.Action
	}
	want := []short{
		{true, [2]int{0, 1}, 7, delivery.Wait},
		{true, [2]int{0, 1}, 2, delivery.Remove},
		{true, [2]int{1, 1}, 7, delivery.Wait},
		{true, [2]int{1, 2}, 7, delivery.Wait},
		{},
		{true, [2]int{2, 3}, 8, delivery.Wait},
		{},
	}
	for i, s := range steps {
		got := short{
			s.Found,
			[2]int{s.Before.Health.FailureCount, s.After.Health.FailureCount},
			s.After.Version, s.Decision.Action,
		}
		// Whether the second failure waits or retries is Decide's to say; only
		// what Fold adds is checked.
		if i == 2 {
			got.action = want[i].action
		}
		if got != want[i] {
			t.Errorf("step %d: got %+v, want %+v", i, got, want[i])
		}
	}
	last := steps[5].After
	if last.Status() != webhook.StatusAutoDisabled || !last.UpdatedAt.Equal(steps[5].Attempt.EndedAt) {
		t.Errorf("after the third failure: %s, updated %v", last.Status(), last.UpdatedAt)
	}
	if given["a"].Health.FailureCount != 0 || len(given) != 2 {
		t.Error("Fold changed what it was given")
	}
}

func TestFoldReturnsTimesAsADatabaseKeepsThem(t *testing.T) {
	t.Parallel()
	given := map[string]webhook.Webhook{"a": {ID: "a", Event: webhook.SendNotes}}
	step := delivery.Fold(delivery.DefaultPolicy(), given, []delivery.Attempt{
		failedAttempt("a", 0, time.Second, delivery.ReasonTimeout),
	}, time.Now())[0]
	for name, at := range map[string]time.Time{
		"start": step.Attempt.StartedAt, "end": step.Attempt.EndedAt, "hold": step.After.Health.HoldUntil,
		"next": step.Decision.At, "error": step.After.Health.LastError.At, "outage": step.After.Health.Outages[0].Start,
		"recorded": step.After.Health.Outages[0].Recorded,
	} {
		if at.IsZero() || at != at.UTC() || at.Nanosecond()%1000 != 0 {
			t.Errorf("%s: %v is not in UTC and whole microseconds", name, at)
		}
	}
}
