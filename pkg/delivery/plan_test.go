package delivery_test

import (
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/webhook"
)

func TestPlan(t *testing.T) {
	t.Parallel()
	const (
		disabled    = "Held: the webhook was disabled automatically. Enable it to deliver this event."
		paused      = "Held: the webhook is paused after a failure and will be tried again soon."
		behind      = "Waiting for earlier deliveries to this webhook."
		interrupted = "Waiting to be sent: it was interrupted before."
		unwanted    = "The webhook no longer sends this event."
		expired     = "The event waited longer than events are kept."
	)
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	onHold := func(until time.Duration) func(*delivery.Turn) {
		return func(t *delivery.Turn) { t.Webhook.Health.HoldUntil = now.Add(until) }
	}
	autoDisabled := func(t *delivery.Turn) { t.Webhook.Health.AutoDisabled = webhook.DisabledForFailures }
	probes := func(t *delivery.Turn) { t.Probes = true }
	waitsBehind := func(t *delivery.Turn) { t.Behind = true }
	wasInterrupted := func(t *delivery.Turn) { t.Interrupted = true }
	otherEvent := func(t *delivery.Turn) { t.Webhook.Event = webhook.SendNotes }
	old := func(age time.Duration) func(*delivery.Turn) {
		return func(t *delivery.Turn) { t.Delivery.EventStored, t.Retention = now.Add(-age), time.Hour }
	}
	for _, c := range []struct {
		name    string
		changes []func(*delivery.Turn)
		step    delivery.PlanStep
		message string
	}{
		{"nothing stands in its way", nil, delivery.PlanSend, ""},
		{"after a failed attempt", []func(*delivery.Turn){func(t *delivery.Turn) { t.Progress.Attempts = 2 }}, delivery.PlanSend, ""},
		{"delivered", []func(*delivery.Turn){func(t *delivery.Turn) { t.Progress = delivery.Progress{Attempts: 1, Delivered: true, LastSuccess: 1} }}, delivery.PlanDone, ""},
		{"asked for again since it was delivered", []func(*delivery.Turn){func(t *delivery.Turn) {
			t.Progress = delivery.Progress{Attempts: 1, Delivered: true, LastSuccess: 1}
			t.Delivery.PriorAttempts = 1
		}}, delivery.PlanSend, ""},
		{"delivered again", []func(*delivery.Turn){func(t *delivery.Turn) {
			t.Progress = delivery.Progress{Attempts: 2, Delivered: true, LastSuccess: 2}
			t.Delivery.PriorAttempts = 1
		}}, delivery.PlanDone, ""},
		{"delivered, and the webhook deleted", []func(*delivery.Turn){func(t *delivery.Turn) {
			t.Progress, t.Webhook = delivery.Progress{Delivered: true, LastSuccess: 1}, nil
		}}, delivery.PlanDone, ""},
		{"the webhook deleted", []func(*delivery.Turn){waitsBehind, func(t *delivery.Turn) { t.Webhook = nil }}, delivery.PlanDrop, ""},
		{"another event", []func(*delivery.Turn){otherEvent}, delivery.PlanSkip, unwanted},
		{"disabled by hand", []func(*delivery.Turn){func(t *delivery.Turn) { t.Webhook.Event = webhook.Disabled }}, delivery.PlanSkip, unwanted},
		{"another event during a hold", []func(*delivery.Turn){otherEvent, onHold(time.Hour), waitsBehind}, delivery.PlanSkip, unwanted},
		{"disabled by hand after it was automatically", []func(*delivery.Turn){autoDisabled, func(t *delivery.Turn) { t.Webhook.Event = webhook.Disabled }}, delivery.PlanSkip, unwanted},
		{"as old as events are kept", []func(*delivery.Turn){old(time.Hour)}, delivery.PlanSend, ""},
		{"older than events are kept", []func(*delivery.Turn){old(time.Hour + 1)}, delivery.PlanSkip, expired},
		{"too old and held", []func(*delivery.Turn){old(time.Hour + 1), autoDisabled}, delivery.PlanSkip, expired},
		{"of any age", []func(*delivery.Turn){old(time.Hour + 1), func(t *delivery.Turn) { t.Retention = 0 }}, delivery.PlanSend, ""},
		{"disabled automatically", []func(*delivery.Turn){autoDisabled, waitsBehind}, delivery.PlanHold, disabled},
		{"disabled automatically, to a probe", []func(*delivery.Turn){autoDisabled, probes}, delivery.PlanHold, disabled},
		{"on hold", []func(*delivery.Turn){onHold(time.Hour), waitsBehind}, delivery.PlanHold, paused},
		{"the hold has passed", []func(*delivery.Turn){onHold(-time.Hour)}, delivery.PlanHold, paused},
		{"on hold, to a probe", []func(*delivery.Turn){onHold(1), probes}, delivery.PlanHold, paused},
		{"at the end of the hold, to a probe", []func(*delivery.Turn){onHold(0), probes}, delivery.PlanSend, ""},
		{"the hold has passed, to a probe", []func(*delivery.Turn){onHold(-time.Hour), probes}, delivery.PlanSend, ""},
		{"behind others", []func(*delivery.Turn){waitsBehind, wasInterrupted}, delivery.PlanHold, behind},
		{"interrupted", []func(*delivery.Turn){wasInterrupted}, delivery.PlanHold, interrupted},
	} {
		turn := delivery.Turn{
			Delivery: delivery.Delivery{EventType: event.CallCompleted, EventStored: now},
			Webhook:  &webhook.Webhook{Event: webhook.SendCallLogs},
		}
		for _, change := range c.changes {
			change(&turn)
		}
		if got, want := delivery.Plan(turn, now), (delivery.Planned{Step: c.step, Message: c.message}); got != want {
			t.Errorf("%s: %+v, want %+v", c.name, got, want)
		}
	}
}
