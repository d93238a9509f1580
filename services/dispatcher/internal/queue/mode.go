package queue

import (
	"time"

	"github.com/dialnote/webhooks/pkg/webhook"
)

// mode is how a lane is read now.
type mode int32

const (
	gone   mode = iota // the webhook no longer exists: what waits is removed
	parked             // disabled automatically: what waits stays in the stream
	onHold             // on hold: paused on the server until the hold ends
	probe              // the hold has ended: one delivery, to see
	open               // as many at once as the webhook may have
)

// String returns the mode's name, as the metrics have it.
func (m mode) String() string {
	return [...]string{gone: "gone", parked: "parked", onHold: "held", probe: "probe", open: "open"}[m]
}

// modeOf returns how the lane of a webhook is read at a time. w is nil when the
// webhook no longer exists. A webhook that its owner disabled is read: each of
// its deliveries is recorded as skipped.
func modeOf(w *webhook.Webhook, now time.Time) mode {
	switch {
	case w == nil:
		return gone
	case w.Status() == webhook.StatusAutoDisabled:
		return parked
	case w.Status() == webhook.StatusDisabled || !w.Health.OnHold():
		return open
	case now.Before(w.Health.HoldUntil):
		return onHold
	default:
		return probe
	}
}
