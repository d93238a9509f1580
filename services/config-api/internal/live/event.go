package live

import (
	"reflect"

	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/config-api/internal/manage"
)

// Event is one event for a listener. Exactly one field is set.
type Event struct {
	Webhook  *WebhookChange
	Delivery *stream.RecordedAttempt
	Resync   Reason
}

// Reason says why a listener must read again what it shows.
type Reason string

// The reasons.
const (
	Connected Reason = "connected" // the listener's first event: it got none of those before
	Missed    Reason = "missed"    // some events may have been lost
	Busy      Reason = "busy"      // more happens than is sent one by one
	Slow      Reason = "slow"      // the listener reads too slowly; this is its last event
)

// Change is what of a webhook has changed since its last event.
type Change string

// The changes.
const (
	Created      Change = "created"
	Updated      Change = "updated" // name, URL, event setting or headers
	Deleted      Change = "deleted"
	AutoDisabled Change = "auto_disabled"
	Enabled      Change = "enabled"
	HoldBegun    Change = "hold_begun"
	HoldChanged  Change = "hold_changed" // its end was moved
	HoldEnded    Change = "hold_ended"
	Counts       Change = "counts" // failure count, last sent, last error or held events
)

// WebhookChange is a webhook whose state has changed since its last event.
type WebhookChange struct {
	ID      string
	Changes []Change
	View    *manage.View // as it is now, nil when it was deleted
}

// differences returns the changes between two states of a webhook.
func differences(was, is manage.View) []Change {
	var list []Change
	add := func(c Change, yes bool) {
		if yes {
			list = append(list, c)
		}
	}
	before, after := was.Health, is.Health
	add(Updated, !webhook.SameSettings(was.Webhook, is.Webhook))
	add(AutoDisabled, before.AutoDisabled == webhook.NotAutoDisabled && after.AutoDisabled != webhook.NotAutoDisabled)
	add(Enabled, before.AutoDisabled != webhook.NotAutoDisabled && after.AutoDisabled == webhook.NotAutoDisabled)
	add(HoldBegun, !before.OnHold() && after.OnHold())
	add(HoldChanged, before.OnHold() && after.OnHold() && !before.HoldUntil.Equal(after.HoldUntil))
	add(HoldEnded, before.OnHold() && !after.OnHold())
	add(Counts, before.FailureCount != after.FailureCount || !before.LastSentAt.Equal(after.LastSentAt) ||
		!reflect.DeepEqual(before.LastError, after.LastError) || !reflect.DeepEqual(was.Held, is.Held))
	if len(list) == 0 && was.Version != is.Version {
		list = append(list, Updated) // of something that is not shown; its ETag differs
	}
	return list
}
