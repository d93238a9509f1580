//nolint:thelper // These are the tests themselves: a failure belongs to its own line.
package storetest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// checks tests the last line of defence: the adapters do not look at what they
// write, so what the database takes is what its constraints allow.
func checks(t *testing.T, s store.Store) {
	for name, change := range map[string]func(*webhook.Webhook){
		"id without prefix":          func(w *webhook.Webhook) { w.ID = w.ID[3:] },
		"id in capitals":             func(w *webhook.Webhook) { w.ID = "wh_" + strings.ToUpper(w.ID[3:]) },
		"id too short":               func(w *webhook.Webhook) { w.ID = w.ID[:28] },
		"id too long":                func(w *webhook.Webhook) { w.ID += "0" },
		"id with a letter too many":  func(w *webhook.Webhook) { w.ID = w.ID[:28] + "u" },
		"id past the last ULID":      func(w *webhook.Webhook) { w.ID = "wh_8" + w.ID[4:] },
		"empty organization":         func(w *webhook.Webhook) { w.OrganizationID = "" },
		"organization too long":      func(w *webhook.Webhook) { w.OrganizationID = strings.Repeat("a", 65) },
		"organization with a dot":    func(w *webhook.Webhook) { w.OrganizationID = "a.b" },
		"organization with an end":   func(w *webhook.Webhook) { w.OrganizationID = "a\n" },
		"empty name":                 func(w *webhook.Webhook) { w.Name = "" },
		"name of blanks":             func(w *webhook.Webhook) { w.Name = "   " },
		"name too long":              func(w *webhook.Webhook) { w.Name = strings.Repeat("ü", 101) },
		"name with a line end":       func(w *webhook.Webhook) { w.Name = "a\nb" },
		"name with a C1 control":     func(w *webhook.Webhook) { w.Name = "a\u0085b" },
		"unknown provider":           func(w *webhook.Webhook) { w.Provider = "slack" },
		"empty URL":                  func(w *webhook.Webhook) { w.URL = "" },
		"URL of another scheme":      func(w *webhook.Webhook) { w.URL = "ftp://example.com" },
		"URL too long":               func(w *webhook.Webhook) { w.URL = "https://" + strings.Repeat("a", 2041) },
		"URL too long in bytes":      func(w *webhook.Webhook) { w.URL = "https://a/" + strings.Repeat("ü", 1020) },
		"unknown event":              func(w *webhook.Webhook) { w.Event = "call.started" },
		"version 0":                  func(w *webhook.Webhook) { w.Version = 0 },
		"negative failure count":     func(w *webhook.Webhook) { w.Health.FailureCount = -1 },
		"unknown reason":             func(w *webhook.Webhook) { w.Health.AutoDisabled = "bored" },
		"auto-disabled, yet on hold": func(w *webhook.Webhook) { w.Health.AutoDisabled, w.Health.HoldUntil = "gone", time.Now() },
		"no creation time":           func(w *webhook.Webhook) { w.CreatedAt = time.Time{} },
	} {
		w := Webhook("acme")
		change(&w)
		err := s.Create(t.Context(), By(), w, 100)
		if _, blamed := errors.AsType[*fault.Error](err); err == nil || blamed {
			t.Errorf("%s: got %v, want an internal error", name, err)
		}
	}
	for name, change := range map[string]func(*webhook.Webhook){
		"longest organization": func(w *webhook.Webhook) { w.OrganizationID = strings.Repeat("Z-_9", 16) },
		"longest name":         func(w *webhook.Webhook) { w.Name = strings.Repeat("🐢", 100) },
		"longest URL":          func(w *webhook.Webhook) { w.URL = "https://" + strings.Repeat("a", 2040) },
		"plain http":           func(w *webhook.Webhook) { w.URL = "http://localhost:8080" },
	} {
		w := Webhook("acme")
		change(&w)
		if err := s.Create(t.Context(), By(), w, 100); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Also an update that breaks a rule leaves everything as it was.
	w := create(t, s, Webhook("acme"))
	_, err := s.Update(t.Context(), By(), "acme", w.ID, 0, func(w webhook.Webhook) (webhook.Webhook, error) {
		w.Name = ""
		return w, nil
	})
	if err == nil {
		t.Error("an update broke a rule")
	}
	wantEqual(t, "webhook", get(t, s, w), w)
}
