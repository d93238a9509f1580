package audit_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/webhook"
)

func TestNoEntryHoldsASecret(t *testing.T) {
	t.Parallel()
	const canary = "c2VjcmV0LWNhbmFyeQ"
	w := webhook.Webhook{
		ID: "wh_1", OrganizationID: "acme", Name: "CRM", Provider: webhook.Custom, URL: "https://a.example.com/", Event: webhook.SendNotes,
		Secret: "whsec_" + canary, Headers: []webhook.Header{{Name: "X-Key", Value: canary}},
	}
	changed := w
	changed.Name, changed.Headers = "New", []webhook.Header{{Name: "X-Key", Value: canary + "2"}, {Name: "X-New", Value: canary}}
	changed.Health.AutoDisabled = webhook.DisabledForFailures
	now := time.Now()
	entries := append(audit.Updated(audit.Itself(), w, changed, now),
		audit.Created(audit.Itself(), w), audit.Deleted(audit.Itself(), changed, now), audit.Of(audit.Itself(), audit.WebhookSecretShown, w, now))
	if len(entries) != 5 {
		t.Fatalf("%d entries", len(entries))
	}
	for _, e := range entries {
		text, err := json.Marshal(e)
		if err != nil || strings.Contains(string(text), canary) {
			t.Errorf("%s: %v: %s", e.Action, err, text)
		}
	}
}

func TestAChangeOfHealthAloneIsNoEntry(t *testing.T) {
	t.Parallel()
	before := webhook.Webhook{ID: "wh_1", Name: "CRM", Event: webhook.SendNotes}
	after := before
	after.Version, after.Health.FailureCount, after.Health.HoldUntil = 7, 2, time.Now()
	if entries := audit.Updated(audit.Itself(), before, after, time.Now()); len(entries) != 0 {
		t.Errorf("got %+v", entries)
	}
}
