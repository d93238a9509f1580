package webhook

import (
	"strconv"
	"time"
)

// NoticeKind says what a notice reports.
type NoticeKind string

// The kinds.
const (
	NoticeAutoDisabled NoticeKind = "auto_disabled" // disabled automatically (specification, section 5.4 and 5.5)
	NoticeEnabled      NoticeKind = "enabled"       // active again after an automatic disabling
	NoticeDeleted      NoticeKind = "deleted"       // by a user or program, or because its Zapier subscription was gone
	NoticeRecovered    NoticeKind = "recovered"     // a recovery of its events has ended
)

// Notice reports a change of a webhook to the platform, which may tell its
// customer. Its JSON is the documented form
// (proto/dialnote/webhooks/v1/notice.proto).
type Notice struct {
	// ID is derived from the change: the same change has the same notice, even when
	// several replicas send it.
	ID             string     `json:"id"`
	Kind           NoticeKind `json:"kind"`
	OrganizationID string     `json:"organizationId"`
	WebhookID      string     `json:"webhookId"`
	WebhookName    string     `json:"webhookName"`
	Version        int64      `json:"version"` // of the webhook after the change
	At             time.Time  `json:"at"`

	// DisabledReason and LastError say why: set when the webhook was disabled
	// automatically, also by the answer for which it was deleted.
	DisabledReason DisabledReason `json:"disabledReason,omitempty"`
	LastError      *Failure       `json:"lastError,omitempty"`

	Recovery *RecoveryEnd `json:"recovery,omitempty"` // of NoticeRecovered
}

// RecoveryEnd is how a recovery ended.
type RecoveryEnd struct {
	ID       string `json:"id"`
	Status   string `json:"status"`            // "done", "cancelled" or "failed"
	Message  string `json:"message,omitempty"` // why it failed, in plain words
	Examined int64  `json:"examined"`          // events looked at
	Queued   int64  `json:"queued"`            // of them, queued for delivery
}

// Transition returns the notice that a change of a webhook calls for, and false
// when it calls for none.
func Transition(before, after Webhook, at time.Time) (Notice, bool) {
	was, is := before.Health.AutoDisabled, after.Health.AutoDisabled
	switch {
	case was == is:
		return Notice{}, false
	case is == NotAutoDisabled:
		return notice(after, NoticeEnabled, at), true
	default:
		return notice(after, NoticeAutoDisabled, at), true
	}
}

// Deleted returns the notice of a deletion of w.
func Deleted(w Webhook, at time.Time) Notice { return notice(w, NoticeDeleted, at) }

// Recovered returns the notice that a recovery of w's events has ended. It is
// the same notice for the same recovery.
func Recovered(w Webhook, end RecoveryEnd, at time.Time) Notice {
	n := notice(w, NoticeRecovered, at)
	n.ID = noticeID(w.ID, end.ID, NoticeRecovered)
	n.Recovery = &end
	return n
}

func notice(w Webhook, kind NoticeKind, at time.Time) Notice {
	n := Notice{
		ID:   noticeID(w.ID, strconv.FormatInt(w.Version, 10), kind),
		Kind: kind, OrganizationID: w.OrganizationID, WebhookID: w.ID, WebhookName: w.Name,
		Version: w.Version, At: at.UTC(), DisabledReason: w.Health.AutoDisabled,
	}
	if n.DisabledReason != NotAutoDisabled {
		n.LastError = w.Health.LastError
	}
	return n
}

func noticeID(webhookID, change string, kind NoticeKind) string {
	return webhookID + "." + change + "." + string(kind)
}
