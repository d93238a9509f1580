package view

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/store"
)

// typedTime is how a browser's field sends a time: without a zone.
const typedTime = "2006-01-02T15:04"

// ReadFilter reads the log's filter from an address. Problem says what cannot be
// understood.
func ReadFilter(q url.Values, c Clock) (Filter, store.DeliveryFilter) {
	f := Filter{
		Status: q.Get("status"), Type: q.Get("type"), Within: q.Get("within"), Since: q.Get("since"), Until: q.Get("until"),
		Event: strings.TrimSpace(q.Get("event")), Delivery: strings.TrimSpace(q.Get("delivery")), Error: strings.TrimSpace(q.Get("error")),
	}
	s := store.DeliveryFilter{EventID: f.Event, DeliveryID: f.Delivery, Message: f.Error}
	for _, status := range DeliveryStatuses() {
		chosen := f.Status == string(status)
		f.Statuses = append(f.Statuses, Choice{Value: string(status), Label: DeliveryBadge(status).Text, Chosen: chosen})
		if chosen {
			s.Status = delivery.Status(f.Status)
		}
	}
	for _, t := range event.Types() {
		chosen := f.Type == string(t)
		f.Types = append(f.Types, Choice{Value: string(t), Label: EventLabel(t), Chosen: chosen})
		if chosen {
			s.EventType = t
		}
	}
	for _, w := range Withins() {
		chosen := f.Within == w.Value
		f.Withins = append(f.Withins, Choice{Value: w.Value, Label: w.Label, Chosen: chosen})
		if chosen {
			s.Since = c.Now.Add(-w.Back)
		}
	}
	for _, t := range []struct {
		typed string
		into  *time.Time
	}{{f.Since, &s.Since}, {f.Until, &s.Until}} {
		at, err := c.ReadTime(t.typed)
		if err != nil {
			f.Problem = "A time is written like 2026-11-23T10:30."
		} else if !at.IsZero() {
			*t.into = at
		}
	}
	if !s.Until.IsZero() && s.Since.After(s.Until) {
		f.Problem = "The time range ends before it begins."
	}
	if s.Status == "" && f.Status != "" || s.EventType == "" && f.Type != "" {
		f.Problem = "There is no such status or event type."
	}
	f.Open = f.Type != "" || f.Since != "" || f.Until != "" || f.Event != "" || f.Delivery != ""
	f.Active = f.Open || f.Status != "" || f.Within != "" || f.Error != ""
	return f, s
}

// ReadTime reads a time from a form: in the clock's zone as a browser's field
// sends it, or RFC 3339. It returns the zero time for an empty text.
func (c Clock) ReadTime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return at, nil
	}
	at, err := time.ParseInLocation(typedTime, text[:min(len(text), len(typedTime))], c.Zone)
	return at, err //nolint:wrapcheck // only that it is wrong is shown
}

// Days writes how long something is kept: "7 days", "36 hours".
func Days(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= day && d%day == 0 {
		return Plural(int64(d/day), "day")
	}
	return strconv.FormatInt(int64(d/time.Hour), 10) + " hours"
}
