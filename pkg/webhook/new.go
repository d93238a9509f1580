package webhook

import (
	"slices"
	"time"

	"github.com/dialnote/webhooks/pkg/fault"
)

// Settings returns the choices under Event Settings, in the order of the help
// page.
func Settings() []Setting {
	return []Setting{SendCallLogs, SendCallRecordings, SendNotes, Disabled}
}

// Draft is a request for a new webhook.
type Draft struct {
	Name     string
	Provider Provider
	URL      string
	Event    Setting
	Headers  []Header // to add to each request

	// OrderedFrom is the event stream's next sequence when events are to be
	// delivered strictly in order, and else 0. It cannot be changed later.
	OrderedFrom uint64
}

// New returns the webhook that d describes, in version 1 and with nothing
// counted. id, organizationID and secret are taken as they are. The second
// result names every wrong field; the webhook is of use only when it is empty.
func (r Rules) New(id, organizationID string, secret Secret, d Draft, now time.Time) (Webhook, []fault.Field) {
	headers, wrong := NewHeaders(d.Headers)
	w := Webhook{
		ID:             id,
		OrganizationID: organizationID,
		Name:           Trim(d.Name),
		Provider:       d.Provider,
		URL:            Trim(d.URL),
		Event:          d.Event,
		Headers:        headers,
		OrderedFrom:    d.OrderedFrom,
		Secret:         secret,
		Health:         Health{CountFrom: now},
		CreatedAt:      now,
		UpdatedAt:      now,
		Version:        1,
	}
	return w, append(r.fields(w), wrong...)
}

// Change is a request to change a webhook; nil leaves a field as it is. The
// provider and the secret cannot change (help page: "Update the name, URL, or
// event settings").
type Change struct {
	Name  *string
	URL   *string
	Event *Setting

	// Headers are those to set or remove; others stay.
	Headers []HeaderChange

	// Next is the event stream's next sequence, from which an ordered webhook reads
	// when its event setting changes.
	Next uint64
}

// Apply returns w with c applied. A URL that differs ends a hold and does not
// enable (specification, section 5.8). A change that changes nothing returns w
// itself, UpdatedAt included. The second result names every wrong field among
// those that c sets; the webhook is of use only when it is empty.
//
// A field that stays is not checked again: a webhook made under older rules
// can still be renamed or disabled.
func (r Rules) Apply(w Webhook, c Change, now time.Time) (Webhook, []fault.Field) {
	changed := w
	var wrong []fault.Field
	if c.Name != nil {
		changed.Name = Trim(*c.Name)
		wrong = append(wrong, CheckName("name", changed.Name)...)
	}
	if c.URL != nil {
		changed.URL = Trim(*c.URL)
		wrong = append(wrong, r.checkURL(changed)...)
	}
	if c.Event != nil {
		changed.Event = *c.Event
		wrong = append(wrong, checkEvent(changed.Event)...)
	}
	if len(c.Headers) > 0 {
		var broken []fault.Field
		changed.Headers, broken = changeHeaders(w.Headers, c.Headers)
		wrong = append(wrong, broken...)
	}
	if SameSettings(changed, w) {
		return w, wrong
	}
	if changed.URL != w.URL {
		changed.Health = changed.Health.EndHold()
	}
	if changed.Event != w.Event {
		changed = changed.Restart(c.Next)
	}
	changed.UpdatedAt = now
	return changed, wrong
}

// SameSettings reports whether a and b have the same name, URL, event setting
// and headers.
func SameSettings(a, b Webhook) bool {
	return a.Name == b.Name && a.URL == b.URL && a.Event == b.Event && slices.Equal(a.Headers, b.Headers)
}
