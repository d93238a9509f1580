package view_test

import (
	"slices"
	"testing"

	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/config-api/internal/portal/view"
)

func TestTheAuditLogSpeaksAsThePageDoes(t *testing.T) {
	t.Parallel()
	entry := view.EntryOf(audit.Entry{
		Before: []byte(`{"status":"auto_disabled","disabledReason":"gone"}`),
		After:  []byte(`{"event":"note.created","expiresAt":"2026-11-23T10:30:00.5Z","ordered":true,"provider":"custom","status":"active","until":"soon"}`),
	}, clock())
	want := []view.FieldChange{
		{Field: "Because of", Before: "gone"},
		{Field: "Event settings", After: "Send notes"},
		{Field: "Expires", After: "23 November 2026 at 10:30:00 UTC"},
		{Field: "In order", After: "yes"},
		{Field: "Provider", After: "Custom Webhook"},
		{Field: "Status", Before: "Disabled automatically", After: "Active"},
		{Field: "To", After: "soon"},
	}
	if !slices.Equal(entry.Changes, want) {
		t.Errorf("%+v", entry.Changes)
	}
	if view.StatusLabel(webhook.StatusDisabled) != "Disabled" || view.StatusLabel("x") != "x" {
		t.Error("a status has another name")
	}
}
