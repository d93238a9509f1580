// Package webhook is the webhook: one organization's wish to receive one type
// of event at one URL, the rules of its fields, and its health.
//
// It does no I/O. Functions that need the time take it as an argument.
package webhook

import (
	"time"

	"github.com/dialnote/webhooks/pkg/event"
)

// Provider says what kind of receiver a webhook has.
type Provider string

// The providers of the help page.
const (
	Custom Provider = "custom"
	Zapier Provider = "zapier"
)

// Setting is a webhook's single choice under Event Settings: the event type
// that it sends, or Disabled.
type Setting string

// The settings, in the order of the help page. All but Disabled are the event
// type of the same name.
const (
	SendCallLogs       = Setting(event.CallCompleted)
	SendCallRecordings = Setting(event.RecordingCompleted)
	SendNotes          = Setting(event.NoteCreated)
	Disabled           = Setting("disabled")
)

// Matches reports whether a webhook with this setting sends events of type t.
func (s Setting) Matches(t event.Type) bool { return s != Disabled && s == Setting(t) }

// Status is a webhook's state as the customer sees it.
type Status string

// The states. StatusDisabled is the customer's own choice (the event setting);
// StatusAutoDisabled is ours, after failures or a 410.
const (
	StatusActive       Status = "active"
	StatusDisabled     Status = "disabled"
	StatusAutoDisabled Status = "auto_disabled"
)

// DisabledReason says why a webhook was disabled automatically. The zero
// reason means that it was not.
type DisabledReason string

// The reasons.
const (
	NotAutoDisabled     DisabledReason = ""
	DisabledForFailures DisabledReason = "failures" // too many consecutive failures
	DisabledAsGone      DisabledReason = "gone"     // the endpoint answered 410
)

// Webhook is one configured webhook with its health.
type Webhook struct {
	ID             string
	OrganizationID string
	Name           string
	Provider       Provider
	URL            string // as the customer typed it
	Event          Setting
	Headers        []Header // that its owner adds, in the order of their names; nil without any
	Secret         Secret
	Health         Health
	CreatedAt      time.Time
	UpdatedAt      time.Time

	// OrderedFrom is set on an ordered webhook: one delivery at a time, strictly
	// in the order in which the events were stored, each blocking the next until
	// it is delivered or given up. It is the sequence in the event stream of the
	// first event that is the webhook's: where the stream stood at the creation,
	// or at the last change of the event setting or discarding of what waited. It
	// is 0 on any other webhook.
	OrderedFrom uint64

	// Waiting is set when deliveries may be kept for the webhook because they had to
	// wait for it.
	Waiting bool

	// Version counts the changes a customer can see as one: of a field, or of
	// the status. A delivery's outcome alone does not raise it, so that an
	// If-Match does not fail because a call ended meanwhile.
	Version int64
}

// Ordered reports whether the webhook receives its events strictly in order.
func (w Webhook) Ordered() bool { return w.OrderedFrom != 0 }

// Restart returns w after everything that waits for it was given up: an ordered
// webhook then reads from the sequence next.
func (w Webhook) Restart(next uint64) Webhook {
	if w.Ordered() {
		w.OrderedFrom = max(w.OrderedFrom, next)
	}
	return w
}

// Status returns the webhook's state. The customer's own Disabled outranks an
// automatic one.
func (w Webhook) Status() Status {
	switch {
	case w.Event == Disabled:
		return StatusDisabled
	case w.Health.AutoDisabled != NotAutoDisabled:
		return StatusAutoDisabled
	default:
		return StatusActive
	}
}

// Secret is a webhook's signing secret. It prints as a mask, so that it cannot
// reach a log by accident; Reveal returns the text.
type Secret string

// Reveal returns the secret's text.
func (s Secret) Reveal() string { return string(s) }

// String returns a mask.
func (s Secret) String() string { return "whsec_***" }

// GoString returns a mask.
func (s Secret) GoString() string { return s.String() }

// MarshalText returns a mask.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
