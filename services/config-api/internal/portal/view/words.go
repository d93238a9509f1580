package view

import (
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// EventSetting is one choice under Event Settings, in the words of the help
// page.
type EventSetting struct {
	Value webhook.Setting
	Label string
	Fires string
}

// EventSettings returns the choices in the order of the help page.
func EventSettings() []EventSetting {
	return []EventSetting{
		{webhook.SendCallLogs, "Send call logs", "A call ends — payload includes duration, direction, and status"},
		{webhook.SendCallRecordings, "Send call recordings", "A call recording is ready — payload includes the recording URL"},
		{webhook.SendNotes, "Send notes", "A team member adds a note to a conversation"},
		{webhook.Disabled, "Disabled", "Nothing is sent (handy for pausing a webhook without deleting it)"},
	}
}

// SettingLabel returns the help page's label of a setting.
func SettingLabel(s webhook.Setting) string {
	for _, e := range EventSettings() {
		if e.Value == s {
			return e.Label
		}
	}
	return string(s)
}

// ProviderLabel returns the help page's name of a provider.
func ProviderLabel(p webhook.Provider) string {
	if p == webhook.Zapier {
		return "Zapier"
	}
	return "Custom Webhook"
}

// StatusLabel returns what a webhook's status is called on the page.
func StatusLabel(s webhook.Status) string {
	switch s {
	case webhook.StatusActive:
		return "Active"
	case webhook.StatusDisabled:
		return "Disabled"
	case webhook.StatusAutoDisabled:
		return "Disabled automatically"
	}
	return string(s)
}

// EventLabel returns what an event type is called on the page.
func EventLabel(t event.Type) string {
	switch t {
	case event.CallCompleted:
		return "Call ended"
	case event.RecordingCompleted:
		return "Recording ready"
	case event.NoteCreated:
		return "Note added"
	}
	return string(t)
}

// Tone is what a state means, for colour and icon. Words always say it too.
type Tone string

// The tones.
const (
	Good    Tone = "good"
	Waiting Tone = "waiting"
	Bad     Tone = "bad"
	Quiet   Tone = "quiet"
)

// Badge is a state in a word, with its tone.
type Badge struct {
	Text string
	Tone Tone
}

// DeliveryBadge returns the badge of a delivery's state.
func DeliveryBadge(s delivery.Status) Badge {
	switch s {
	case delivery.StatusDelivered:
		return Badge{"Delivered", Good}
	case delivery.StatusRetrying:
		return Badge{"Retrying", Waiting}
	case delivery.StatusHeld:
		return Badge{"Held", Waiting}
	case delivery.StatusFailed:
		return Badge{"Failed", Bad}
	case delivery.StatusSkipped:
		return Badge{"Skipped", Quiet}
	}
	return Badge{string(s), Quiet}
}
