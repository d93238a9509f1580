package view

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// Entry is a line of the audit log.
type Entry struct {
	ID      string
	At      Moment
	Action  string // in words
	Who     string
	How     string // by what credential
	Target  string // its id
	Webhook string // the id of its webhook, "" for none
	Changes []FieldChange
}

// FieldChange is one field before and after a change.
type FieldChange struct{ Field, Before, After string }

// EntryOf returns an entry of the audit log as it is listed.
func EntryOf(e audit.Entry, c Clock) Entry {
	who, how := actor(e.Actor)
	return Entry{
		ID: e.ID, At: c.Moment(e.At), Action: ActionLabel(e.Action), Who: who, How: how,
		Target: e.Target.ID, Webhook: e.Target.WebhookID, Changes: c.fieldChanges(e.Before, e.After),
	}
}

func actor(a audit.Actor) (who, how string) {
	switch a.Kind {
	case audit.ServiceToken:
		return a.Name, "dialnote service"
	case audit.APIKey:
		return a.Name, "API key"
	case audit.ZapierKey:
		return "Zapier", "Zapier key"
	case audit.Portal:
		if a.Name == "" {
			return "A person", "on this page"
		}
		return a.Name, "on this page"
	case audit.Operator:
		return "dialnote", "an operator"
	case audit.System:
		return "dialnote", "automatically"
	}
	return a.Name, string(a.Kind)
}

// ActionLabel returns an action in words.
func ActionLabel(a audit.Action) string {
	labels := map[audit.Action]string{
		audit.WebhookCreated:       "Webhook added",
		audit.WebhookUpdated:       "Webhook changed",
		audit.WebhookEnabled:       "Webhook enabled",
		audit.WebhookAutoDisabled:  "Webhook disabled automatically",
		audit.WebhookDeleted:       "Webhook deleted",
		audit.WebhookSecretShown:   "Webhook secret shown",
		audit.WebhookHeldDiscarded: "Held events discarded",
		audit.WebhookTested:        "Webhook tested",
		audit.DeliveryRedelivered:  "Delivery made again",
		audit.RecoveryStarted:      "Recovery started",
		audit.RecoveryCancelled:    "Recovery cancelled",
		audit.EventRequeued:        "Rejected event published again",
		audit.APIKeyCreated:        "API key created",
		audit.APIKeyRevoked:        "API key revoked",
		audit.ZapierKeyCreated:     "Zapier key created",
		audit.ZapierKeyShown:       "Zapier key shown",
		audit.ZapierKeyRotated:     "Zapier key rotated",
		audit.PortalLinkCreated:    "Link to this page made",
		audit.PortalSessionBegun:   "This page opened",
		audit.PortalSessionEnded:   "This page left",
	}
	if label, known := labels[a]; known {
		return label
	}
	return string(a)
}

// fieldChanges returns what is in either of two objects, in the order of its
// names.
func (c Clock) fieldChanges(before, after json.RawMessage) []FieldChange {
	was, is := members(before), members(after)
	names := make([]string, 0, len(was)+len(is))
	for name := range was {
		names = append(names, name)
	}
	for name := range is {
		if _, both := was[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	changes := make([]FieldChange, 0, len(names))
	for _, name := range names {
		changes = append(changes, FieldChange{fieldLabel(name), c.plain(name, was[name]), c.plain(name, is[name])})
	}
	return changes
}

func members(object json.RawMessage) map[string]json.RawMessage {
	var m map[string]json.RawMessage
	if len(object) > 0 {
		_ = json.Unmarshal(object, &m) // what cannot be read is not shown
	}
	return m
}

// plain returns a field's JSON value as a person reads it.
func (c Clock) plain(name string, value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil && len(value) > 0 && value[0] == '"' {
		return c.inWords(name, text)
	}
	if yes, err := strconv.ParseBool(string(value)); err == nil {
		if yes {
			return "yes"
		}
		return "no"
	}
	return string(value)
}

// inWords returns what the page calls a field's value.
func (c Clock) inWords(name, value string) string {
	switch name {
	case "event":
		return SettingLabel(webhook.Setting(value))
	case "provider":
		return ProviderLabel(webhook.Provider(value))
	case "status":
		return StatusLabel(webhook.Status(value))
	case "since", "until", "expiresAt":
		if at, err := time.Parse(time.RFC3339Nano, value); err == nil {
			return c.Moment(at).Exact
		}
	}
	return value
}

func fieldLabel(name string) string {
	labels := map[string]string{
		"name": "Name", "provider": "Provider", "url": "Webhook URL", "event": "Event settings", "ordered": "In order",
		"status": "Status", "disabledReason": "Because of", "failureCount": "Failure count", "lastError": "Last error",
		"lastCharacters": "Ends with", "since": "From", "until": "To", "examined": "Examined", "queued": "Queued",
		"actor": "For", "expiresAt": "Expires", "headers": "Headers", "eventId": "Event",
	}
	if label, known := labels[name]; known {
		return label
	}
	return name
}
