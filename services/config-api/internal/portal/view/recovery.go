package view

import (
	"github.com/dialnote/webhooks/pkg/delivery"
)

// Recovery is a recovery, or the preview of one, and how far it is.
type Recovery struct {
	ID       string
	Preview  bool
	Running  bool
	Badge    Badge
	Says     string
	From, To Moment
	Begun    Moment
	Ended    Moment
	Total    int64
	Examined int64
	Queued   int64
	Percent  int64
	Found    bool // a preview that found something to deliver

	Since, Until string // as a form repeats them, RFC 3339
}

// RecoveryOf returns a recovery as it is shown.
func RecoveryOf(r delivery.Recovery, c Clock) Recovery {
	v := Recovery{
		ID: r.ID, Preview: r.DryRun, Running: r.Status == delivery.RecoveryRunning,
		From: c.Moment(r.Since), To: c.Moment(r.Until), Begun: c.Moment(r.CreatedAt), Ended: c.Moment(r.EndedAt),
		Total: r.Total, Examined: r.Examined, Queued: r.Queued, Percent: 100,
		Since: stamp(r.Since), Until: stamp(r.Until),
	}
	if r.Total > 0 && v.Running {
		v.Percent = min(100, r.Examined*100/r.Total)
	}
	found := Plural(r.Queued, "missed event")
	switch {
	case v.Running && v.Preview:
		v.Badge, v.Says = Badge{"Counting", Waiting}, found+" found so far."
	case v.Running:
		v.Badge, v.Says = Badge{"Running", Waiting}, found+" queued for delivery so far."
	case r.Status == delivery.RecoveryFailed:
		v.Badge, v.Says = Badge{"Failed", Bad}, r.Message
	case r.Status == delivery.RecoveryCancelled && v.Preview:
		v.Badge, v.Says = Badge{"Cancelled", Quiet}, "The preview was cancelled."
	case r.Status == delivery.RecoveryCancelled:
		v.Badge, v.Says = Badge{"Cancelled", Quiet}, found+" had been queued before. What is queued is still delivered."
	case v.Preview && r.Queued == 0:
		v.Badge, v.Says = Badge{"Nothing missed", Good}, "Every event of that time was delivered, or is on its way."
	case v.Preview:
		v.Badge, v.Says, v.Found = Badge{"Preview", Waiting}, found+" would be delivered.", true
	default:
		v.Badge, v.Says = Badge{"Done", Good}, found+" queued for delivery."
	}
	return v
}
