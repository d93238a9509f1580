package match_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/endpoint"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/signature"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
)

// odd returns webhooks that differ from a common one in one way each.
func odd() map[string]webhook.Webhook {
	all := make(map[string]webhook.Webhook)
	for name, change := range map[string]func(*webhook.Webhook){
		"common":              func(*webhook.Webhook) {},
		"empty":               func(w *webhook.Webhook) { *w = webhook.Webhook{OrganizationID: w.OrganizationID} },
		"id in capitals":      func(w *webhook.Webhook) { w.ID = "wh_01JD9V7Q6W3K8M5N2P4R6T8V0A" },
		"id with a lookalike": func(w *webhook.Webhook) { w.ID = "wh_01jd9v7q6w3k8m5n2p4r6t8vil" },
		"id too large":        func(w *webhook.Webhook) { w.ID = "wh_8zzzzzzzzzzzzzzzzzzzzzzzzz" },
		"largest id":          func(w *webhook.Webhook) { w.ID = "wh_7zzzzzzzzzzzzzzzzzzzzzzzzz" },
		"id of another form":  func(w *webhook.Webhook) { w.ID = "wh_1" },
		"another prefix":      func(w *webhook.Webhook) { w.ID = "xx_01jd9v7q6w3k8m5n2p4r6t8v0a" },
		"unknown event":       func(w *webhook.Webhook) { w.Event = "call.started" },
		"disabled":            func(w *webhook.Webhook) { w.Event = webhook.Disabled },
		"unknown provider":    func(w *webhook.Webhook) { w.Provider = "make" },
		"no provider":         func(w *webhook.Webhook) { w.Provider = "" },
		"Zapier":              func(w *webhook.Webhook) { w.Provider = webhook.Zapier },
		"http":                func(w *webhook.Webhook) { w.URL = "http://127.0.0.1:8080/in" },
		"scheme in capitals":  func(w *webhook.Webhook) { w.URL = "HTTPS://Hooks.Example.COM" },
		"unusable URL":        func(w *webhook.Webhook) { w.URL = "https://exa mple" },
		"short secret":        func(w *webhook.Webhook) { w.Secret = "whsec_short" },
		"secret, loose bits":  func(w *webhook.Webhook) { w.Secret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUF\nYX" },
		"secret, other form":  func(w *webhook.Webhook) { w.Secret = "whsek_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX" },
		"ordered":             func(w *webhook.Webhook) { w.OrderedFrom = 1<<63 - 1 },
		"on hold":             func(w *webhook.Webhook) { w.Health.HoldUntil = time.Date(2026, 3, 2, 10, 0, 0, 123456789, time.UTC) },
		"held until long ago": func(w *webhook.Webhook) { w.Health.HoldUntil = time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC) },
		"disabled as gone":    func(w *webhook.Webhook) { w.Health.AutoDisabled = webhook.DisabledAsGone },
		"unknown reason":      func(w *webhook.Webhook) { w.Health.AutoDisabled = "bored" },
		"everything unknown":  func(w *webhook.Webhook) { w.Event, w.Provider, w.Health.AutoDisabled = "a", "b", "c" },
		"negative version":    func(w *webhook.Webhook) { w.Version = -1 << 63 },
		"headers":             func(w *webhook.Webhook) { w.Headers = []webhook.Header{{Name: "A", Value: "1"}, {Name: "B"}, {}} },
		"for people alone": func(w *webhook.Webhook) {
			w.Name, w.CreatedAt, w.UpdatedAt = "CRM", time.Now(), time.Now()
			w.Health.FailureCount, w.Health.LastError, w.Health.LastSentAt = 2, &webhook.Failure{Message: "no"}, time.Now()
		},
	} {
		w := specimen("acme", 1)[0]
		change(&w)
		all[name] = w
	}
	return all
}

// target returns what a Target of w has to be.
func target(w webhook.Webhook) *match.Target {
	t := &match.Target{Sent: w.URL, Webhook: webhook.Webhook{
		ID: w.ID, OrganizationID: w.OrganizationID, Provider: w.Provider, URL: w.URL, Event: w.Event,
		Headers: w.Headers, OrderedFrom: w.OrderedFrom, Version: w.Version,
		Health: webhook.Health{HoldUntil: w.Health.HoldUntil, AutoDisabled: w.Health.AutoDisabled},
	}}
	if w.Ordered() {
		t.Webhook.UpdatedAt = w.UpdatedAt
	}
	if t.URL, t.Err = endpoint.Normal(w.URL); t.Err == nil {
		t.Sent = t.URL.String()
		t.Signer, t.Err = signature.NewSigner(w.Secret)
	}
	return t
}

func TestTheCacheKeepsWhatAnAttemptNeeds(t *testing.T) {
	t.Parallel()
	var together []webhook.Webhook
	var want []*match.Target
	for name, w := range odd() {
		together, want = append(together, w), append(want, target(w))
		if got := match.Kept("acme", []webhook.Webhook{w}); !reflect.DeepEqual(got[0], target(w)) {
			t.Errorf("%s: got %#v, want %#v", name, got[0], target(w))
		}
	}
	if got := match.Kept("acme", together); !reflect.DeepEqual(got, want) {
		t.Errorf("together: got %#v, want %#v", got, want)
	}
	if got := match.Kept("acme", nil); len(got) != 0 {
		t.Errorf("none: got %#v", got)
	}
}

// What the cache answers is what the webhooks say.
func TestTheCacheAnswersAsTheWebhooksDo(t *testing.T) {
	t.Parallel()
	for name, w := range odd() {
		s := &source{}
		s.set("acme", w)
		m, err := match.New(s, &lease{}, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range []event.Type{event.CallCompleted, event.RecordingCompleted, event.NoteCreated, "call.started", "disabled"} {
			if found, err := m.Match(t.Context(), "acme", kind); err != nil || (len(found) == 1) != w.Event.Matches(kind) {
				t.Errorf("%s: %d webhooks send %s, %v", name, len(found), kind, err)
			}
		}
		for _, id := range []string{w.ID, "wh_2", "wh_01jd9v7q6w3k8m5n2p4r6t8v0b", "wh_01jd9v7q6w3k8m5n2p4r6t8v0a"} {
			if found, err := m.Find(t.Context(), "acme", id); err != nil || (found != nil) != (w.ID == id) {
				t.Errorf("%s: %s is found: %t, %v", name, id, found != nil, err)
			}
		}
	}
}
