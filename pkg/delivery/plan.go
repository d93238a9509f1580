package delivery

import (
	"time"

	"github.com/dialnote/webhooks/pkg/webhook"
)

// PlanStep is what to do with a delivery before its next attempt.
type PlanStep string

// The steps of a plan.
const (
	PlanSend PlanStep = "send" // make the next attempt now
	PlanSkip PlanStep = "skip" // record that the webhook does not want it, and why; it is done
	PlanHold PlanStep = "hold" // keep it until the webhook can take it
	PlanDrop PlanStep = "drop" // forget it: its webhook no longer exists
	PlanDone PlanStep = "done" // forget it: it is delivered and recorded
)

// Turn is what is known of a delivery that may be sent now.
type Turn struct {
	Delivery Delivery
	Progress Progress         // what is recorded of the delivery
	Webhook  *webhook.Webhook // as it is now; nil when it no longer exists

	// Behind is set when deliveries wait that must be sent before this one.
	Behind bool

	// Interrupted is set when another replica had the delivery and may have kept it
	// without saying so. Sent from both places it would arrive twice at the same
	// moment; it is kept once.
	Interrupted bool

	// Probes is set when the delivery may be the one that tries an endpoint whose
	// hold has passed. Without it the delivery waits until the hold is ended.
	Probes bool

	Retention time.Duration // how old an event may be to be sent; 0 for any age
}

// Planned is what Plan returns.
type Planned struct {
	Step    PlanStep
	Message string // why, in plain words for the customer; set with PlanSkip and PlanHold
}

// Plan returns what to do with a delivery at a time. It is the counterpart of
// Decide: Plan looks at a delivery before an attempt and Decide after it.
func Plan(t Turn, now time.Time) Planned {
	w := t.Webhook
	switch {
	case t.Progress.Done(t.Delivery.PriorAttempts):
		return Planned{Step: PlanDone}
	case w == nil:
		return Planned{Step: PlanDrop}
	case !w.Event.Matches(t.Delivery.EventType):
		return skip("The webhook no longer sends this event.")
	case t.Retention > 0 && now.Sub(t.Delivery.EventStored) > t.Retention:
		return skip("The event waited longer than events are kept.")
	case w.Health.AutoDisabled != webhook.NotAutoDisabled:
		return hold("Held: the webhook was disabled automatically. Enable it to deliver this event.")
	case w.Health.OnHold() && (!t.Probes || now.Before(w.Health.HoldUntil)):
		return hold("Held: the webhook is paused after a failure and will be tried again soon.")
	case t.Behind:
		return hold("Waiting for earlier deliveries to this webhook.")
	case t.Interrupted:
		return hold("Waiting to be sent: it was interrupted before.")
	}
	return Planned{Step: PlanSend}
}

func skip(why string) Planned { return Planned{Step: PlanSkip, Message: why} }

func hold(why string) Planned { return Planned{Step: PlanHold, Message: why} }
