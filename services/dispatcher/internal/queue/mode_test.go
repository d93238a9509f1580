package queue

import (
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/webhook"
)

func TestModeOf(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	active := webhook.Webhook{Event: webhook.SendNotes}
	with := func(change func(*webhook.Webhook)) *webhook.Webhook {
		w := active
		change(&w)
		return &w
	}
	hold := func(d time.Duration) func(*webhook.Webhook) {
		return func(w *webhook.Webhook) { w.Health.HoldUntil = now.Add(d) }
	}
	for _, c := range []struct {
		name string
		w    *webhook.Webhook
		want mode
	}{
		{"deleted", nil, gone},
		{"active", &active, open},
		{"failing, not held", with(func(w *webhook.Webhook) { w.Health.FailureCount = 2 }), open},
		{"on hold", with(hold(time.Hour)), onHold},
		{"the last moment of the hold", with(hold(1)), onHold},
		{"the hold's end", with(hold(0)), probe},
		{"after the hold", with(hold(-time.Hour)), probe},
		{"disabled for failures", with(func(w *webhook.Webhook) { w.Health.AutoDisabled = webhook.DisabledForFailures }), parked},
		{"gone", with(func(w *webhook.Webhook) { w.Health.AutoDisabled = webhook.DisabledAsGone }), parked},
		{"disabled by hand", with(func(w *webhook.Webhook) { w.Event = webhook.Disabled }), open},
		{"disabled by hand during a hold", with(func(w *webhook.Webhook) {
			w.Event = webhook.Disabled
			hold(time.Hour)(w)
		}), open},
		{"disabled by hand after it was automatically", with(func(w *webhook.Webhook) {
			w.Event, w.Health.AutoDisabled = webhook.Disabled, webhook.DisabledForFailures
		}), open},
	} {
		if got := modeOf(c.w, now); got != c.want {
			t.Errorf("%s: mode %d, want %d", c.name, got, c.want)
		}
	}
}
