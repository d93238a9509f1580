package view

import (
	"strconv"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/config-api/internal/manage"
)

// Card is a webhook as its card shows it.
type Card struct {
	ID       string
	Name     string
	URL      string
	Provider string
	Event    string // the label of the event setting
	Ordered  bool
	Badge    Badge
	Says     string // the state in a sentence, "" when there is nothing to add

	LastSent Moment
	Failures Failures
	Held     Held
	Next     Next
	Error    *LastError
	Chart    Chart

	HoldUntil time.Time // the end of a hold, the zero time for none

	CanTest        bool
	CanEnable      bool
	CanRecover     bool
	SuggestsZapier bool

	Swap bool // it takes the place of the one on the page
}

// Failures is how many consecutive failures there are, of how many that
// disable.
type Failures struct {
	Count, Limit int
	Pips         []bool // one for each of the limit, true when it is used up
	Text         string // "1 of 3"
}

// Held is how many events wait for a webhook.
type Held struct {
	Label string // "Held events", or "Waiting events" when nothing holds them
	Text  string // "None", "12 events", or "Not known at the moment"
	Any   bool
}

// Next is when the next attempt is made.
type Next struct {
	Text  string // "As events happen", "When each is due", "in 4 min 12 s", "Now", "After Enable"
	At    Moment // the end of a hold
	Count bool   // counts down to At
}

// LastError is the last failed attempt.
type LastError struct {
	Message string
	At      Moment
	Past    bool // a delivery has succeeded since
	Why     Explanation
}

// CardOf returns the card of a webhook. limit is the number of consecutive
// failures that disables it; hours are its last 24.
func CardOf(v manage.View, limit int, hours []store.HourStats, c Clock) Card {
	card := Card{
		ID: v.ID, Name: v.Name, URL: v.URL, Ordered: v.Ordered(),
		Provider: ProviderLabel(v.Provider), Event: SettingLabel(v.Event),
		LastSent: c.Moment(v.Health.LastSentAt), Failures: failures(v.Health.FailureCount, limit),
		Held: held(v), Error: lastError(v.Health, c), Chart: ChartOf(hours),
		CanTest: v.Status() == webhook.StatusActive, CanEnable: v.Status() == webhook.StatusAutoDisabled,
		CanRecover: v.Status() != webhook.StatusDisabled, SuggestsZapier: v.SuggestsZapier,
	}
	if v.Health.OnHold() {
		card.HoldUntil = v.Health.HoldUntil
	}
	card.Badge, card.Says = state(v.Webhook, card.Held.Any)
	card.Next = next(v.Webhook, card.Held.Any, c)
	return card
}

// held distinguishes events that are held from those that only wait: for their own
// retry after a failure that causes no hold, or for an earlier delivery.
func held(v manage.View) Held {
	h := Held{Label: "Held events", Text: "None"}
	switch {
	case v.Held == nil:
		h.Text = "Not known at the moment"
	case *v.Held > 0:
		h.Text, h.Any = Plural(*v.Held, "event"), true
		if v.Status() == webhook.StatusActive && !v.Health.OnHold() {
			h.Label = "Waiting events"
		}
	}
	return h
}

// state returns a webhook's state in a word and, where that is not enough, in a
// sentence. waits says that events wait for it.
func state(w webhook.Webhook, waits bool) (Badge, string) {
	h := w.Health
	switch {
	case w.Status() == webhook.StatusDisabled:
		return Badge{"Disabled", Quiet}, "Nothing is sent, and nothing is kept for later. Edit the event settings to send again."
	case h.AutoDisabled == webhook.DisabledAsGone:
		return Badge{"Disabled automatically", Bad}, "The endpoint answered 410 Gone: it does not want these events any more. New events are held until you enable it."
	case h.AutoDisabled == webhook.DisabledForFailures:
		return Badge{"Disabled automatically", Bad}, "It failed " + times(h.FailureCount) + " in a row. New events are held. Fix the underlying issue before you enable it."
	case h.OnHold():
		return Badge{"On hold", Waiting}, "The endpoint is in trouble. Events are held, and one attempt will show whether it works again."
	case h.FailureCount > 0 && waits:
		return Badge{"Failing", Waiting}, "The last attempt failed. Other events are still sent, and what failed is tried again, each event at its own time."
	case h.FailureCount > 0:
		return Badge{"Failing", Waiting}, "The last attempt failed. Other events are still sent."
	case h.LastSentAt.IsZero() && h.LastError == nil:
		return Badge{"Active", Good}, "Nothing was sent yet. Use Test to see a sample arrive."
	default:
		return Badge{"Active", Good}, ""
	}
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return strconv.Itoa(n) + " times"
}

func failures(count, limit int) Failures {
	f := Failures{Count: count, Limit: limit, Text: strconv.Itoa(count) + " of " + strconv.Itoa(limit)}
	if limit <= 10 { // more would not fit
		for i := range limit {
			f.Pips = append(f.Pips, i < count)
		}
	}
	return f
}

func next(w webhook.Webhook, waits bool, c Clock) Next {
	switch {
	case w.Status() == webhook.StatusDisabled:
		return Next{Text: "None"}
	case w.Status() == webhook.StatusAutoDisabled:
		return Next{Text: "After Enable"}
	case !w.Health.OnHold() && waits:
		return Next{Text: "When each is due"}
	case !w.Health.OnHold():
		return Next{Text: "As events happen"}
	}
	left := c.Countdown(w.Health.HoldUntil)
	if left == "" {
		return Next{Text: "Now", At: c.Moment(w.Health.HoldUntil)}
	}
	return Next{Text: "in " + left, At: c.Moment(w.Health.HoldUntil), Count: true}
}

func lastError(h webhook.Health, c Clock) *LastError {
	if h.LastError == nil {
		return nil
	}
	e := h.LastError
	return &LastError{
		Message: e.Message, At: c.Moment(e.At), Past: h.FailureCount == 0 && !later(e.At, h.LastSentAt),
		Why: Explain(delivery.Reason(e.Reason)),
	}
}

func later(a, b time.Time) bool { return a.After(b) }
