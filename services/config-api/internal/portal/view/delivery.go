package view

import (
	"strconv"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/store"
)

// Row is a delivery in the log.
type Row struct {
	ID       string
	Badge    Badge
	Event    string // its type in words
	EventID  string
	Test     bool
	Attempts string // "1", "3", or "None"
	Code     string // the last status code, "" when there was no answer
	Took     string // of the last attempt, "" when there was none
	At       Moment // of the latest activity
	Note     string // why it is not delivered
	Next     Moment // when the next attempt is due, the zero Moment when that is not known
}

// RowOf returns the row of a delivery to the webhook of a card. The log says
// why a delivery had to wait when it came; what it waits for now, the webhook
// says.
func RowOf(d store.LoggedDelivery, w Card, c Clock) Row {
	r := Row{
		ID: d.ID, Badge: DeliveryBadge(d.Status), Event: EventLabel(d.EventType), EventID: d.EventID, Test: d.Test,
		Attempts: "None", At: c.Moment(d.UpdatedAt), Note: d.Message,
	}
	switch {
	case d.Status != delivery.StatusRetrying && d.Status != delivery.StatusHeld:
	case w.CanEnable: // a retry that was due waits with the others
		r.Badge = DeliveryBadge(delivery.StatusHeld)
		if d.Reason == "" {
			r.Note = heldUntilEnabled
		}
	default:
		r.Next = nextOf(d, w, c)
	}
	if d.Attempts > 0 {
		r.Attempts = strconv.Itoa(d.Attempts)
		r.Took = Took(d.Duration)
	}
	if d.StatusCode > 0 {
		r.Code = strconv.Itoa(d.StatusCode)
	}
	return r
}

// heldUntilEnabled is what every delivery waits for whose webhook was disabled
// automatically.
const heldUntilEnabled = "Held: the webhook was disabled automatically. Enable it to deliver this event."

// nextOf returns when a delivery is attempted next: at its own time, and not
// before the webhook's hold ends.
func nextOf(d store.LoggedDelivery, w Card, c Clock) Moment {
	at := w.HoldUntil
	if d.Status == delivery.StatusRetrying && d.NextAt.After(at) {
		at = d.NextAt
	}
	if !at.After(c.Now) {
		return Moment{}
	}
	return c.Moment(at)
}

// Filter is the log's filter as it was typed.
type Filter struct {
	Status, Type, Within, Since, Until, Event, Delivery, Error string

	Statuses, Types, Withins []Choice
	Problem                  string // what of it cannot be understood
	Active                   bool   // something is filtered
	Open                     bool   // the less common fields are in use
}

// DeliveryStatuses returns the choices of the filter by status.
func DeliveryStatuses() []delivery.Status {
	return []delivery.Status{
		delivery.StatusDelivered, delivery.StatusRetrying, delivery.StatusHeld, delivery.StatusFailed, delivery.StatusSkipped,
	}
}

// Within is a time range that ends now.
type Within struct {
	Value, Label string
	Back         time.Duration
}

// Withins returns the choices of a time range, shortest first.
func Withins() []Within {
	return []Within{
		{"1h", "Last hour", time.Hour},
		{"24h", "Last 24 hours", 24 * time.Hour},
		{"72h", "Last 3 days", 72 * time.Hour},
		{"168h", "Last 7 days", 168 * time.Hour},
	}
}
