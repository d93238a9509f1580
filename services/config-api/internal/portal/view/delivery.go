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
	Next     Moment // when the next attempt is due
}

// RowOf returns the row of a delivery.
func RowOf(d store.LoggedDelivery, c Clock) Row {
	r := Row{
		ID: d.ID, Badge: DeliveryBadge(d.Status), Event: EventLabel(d.EventType), EventID: d.EventID, Test: d.Test,
		Attempts: "None", At: c.Moment(d.UpdatedAt), Note: d.Message,
	}
	if d.Status == delivery.StatusRetrying || d.Status == delivery.StatusHeld {
		r.Next = c.Moment(d.NextAt)
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
