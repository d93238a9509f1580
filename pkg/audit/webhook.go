package audit

import (
	"encoding/json"
	"time"

	"github.com/dialnote/webhooks/pkg/webhook"
)

// facts are what an entry holds of a webhook. Its secret is not among them, and a
// header's value is a mask.
type facts struct {
	Name           string                 `json:"name,omitempty"`
	Provider       webhook.Provider       `json:"provider,omitempty"`
	URL            string                 `json:"url,omitempty"`
	Event          webhook.Setting        `json:"event,omitempty"`
	Ordered        bool                   `json:"ordered,omitempty"`
	Headers        map[string]string      `json:"headers,omitempty"` // with masks for values
	Status         webhook.Status         `json:"status,omitempty"`
	DisabledReason webhook.DisabledReason `json:"disabledReason,omitempty"`
	FailureCount   int                    `json:"failureCount,omitempty"`
	LastError      string                 `json:"lastError,omitempty"`
}

// settings returns the facts that people set.
func settings(w webhook.Webhook) facts {
	return facts{Name: w.Name, Provider: w.Provider, URL: w.URL, Event: w.Event, Ordered: w.Ordered(), Headers: masked(w.Headers, w.Headers)}
}

// masked returns headers with masks for values; the masks say which values
// changed.
func masked(before, headers []webhook.Header) map[string]string {
	was := make(map[string]webhook.HeaderValue, len(before))
	for _, h := range before {
		was[h.Name] = h.Value
	}
	shown := make(map[string]string, len(headers))
	for _, h := range headers {
		shown[h.Name] = webhook.HeaderMask
		if old, there := was[h.Name]; there && old != h.Value {
			shown[h.Name] += " (changed)"
		}
	}
	return shown
}

// standing returns whether a webhook sends, and why not.
func standing(w webhook.Webhook) facts {
	f := facts{Status: w.Status()}
	if reason := w.Health.AutoDisabled; reason != webhook.NotAutoDisabled {
		f.DisabledReason, f.FailureCount = reason, w.Health.FailureCount
		if w.Health.LastError != nil {
			f.LastError = w.Health.LastError.Message
		}
	}
	return f
}

// Created returns the entry of a new webhook.
func Created(by Actor, w webhook.Webhook) Entry {
	return ofWebhook(by, WebhookCreated, w, w.CreatedAt, nil, settings(w))
}

// Updated returns the entries of a change of a webhook, which people can see as
// one: of its settings, or of what it was disabled for. There is none for a
// change of health alone.
func Updated(by Actor, before, after webhook.Webhook, at time.Time) []Entry {
	var entries []Entry
	is := settings(after)
	is.Headers = masked(before.Headers, after.Headers)
	if was, is := differ(settings(before), is); was != nil || is != nil {
		entries = append(entries, ofWebhook(by, WebhookUpdated, after, at, was, is))
	}
	if e, due := Transition(by, before, after, at); due {
		entries = append(entries, e)
	}
	return entries
}

// Transition returns the entry of a webhook that was disabled automatically, or
// enabled again, and false when neither has happened. It is cheap then, because it
// is called for every outcome.
func Transition(by Actor, before, after webhook.Webhook, at time.Time) (Entry, bool) {
	was, is := before.Health.AutoDisabled, after.Health.AutoDisabled
	if was == is {
		return Entry{}, false
	}
	action := WebhookAutoDisabled
	if is == webhook.NotAutoDisabled {
		action = WebhookEnabled
	}
	return ofWebhook(by, action, after, at, standing(before), standing(after)), true
}

// Deleted returns the entry of a deletion of w.
func Deleted(by Actor, w webhook.Webhook, at time.Time) Entry {
	before := settings(w)
	if s := standing(w); s.DisabledReason != webhook.NotAutoDisabled {
		before.DisabledReason, before.FailureCount, before.LastError = s.DisabledReason, s.FailureCount, s.LastError
	}
	return ofWebhook(by, WebhookDeleted, w, at, before, nil)
}

// Of returns the entry of an action on a webhook that does not change it.
func Of(by Actor, action Action, w webhook.Webhook, at time.Time) Entry {
	return ofWebhook(by, action, w, at, nil, nil)
}

func ofWebhook(by Actor, action Action, w webhook.Webhook, at time.Time, before, after any) Entry {
	return Entry{
		At: at, OrganizationID: w.OrganizationID, Actor: by, Action: action,
		Target: Target{Kind: Webhook, ID: w.ID, WebhookID: w.ID},
		Before: object(before), After: object(after),
	}
}

// object returns v as JSON, nil for an empty v. The types used here always have a
// JSON form.
func object(v any) json.RawMessage {
	if v == nil {
		return nil
	}
	text, err := json.Marshal(v)
	if err != nil {
		return json.RawMessage(`{}`)
	}
	return text
}

// differ returns the fields of each that the other does not have alike, nil
// when there are none.
func differ(before, after facts) (was, is any) {
	a, b := fields(before), fields(after)
	x, y := without(a, b), without(b, a)
	if len(x)+len(y) == 0 {
		return nil, nil
	}
	return x, y
}

// without returns the fields of a that b does not have alike.
func without(a, b map[string]json.RawMessage) map[string]json.RawMessage {
	only := make(map[string]json.RawMessage)
	for name, value := range a {
		if string(b[name]) != string(value) {
			only[name] = value
		}
	}
	return only
}

func fields(f facts) map[string]json.RawMessage {
	var all map[string]json.RawMessage
	_ = json.Unmarshal(object(f), &all) // it was just written
	return all
}
