package webhook_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/webhook"
)

func rules() webhook.Rules {
	return webhook.Rules{
		ZapierHosts: []string{"hooks.zapier.com", "hooks.example.org", "one.example.org:8443", "any.example.org:*"},
		CheckURL: func(raw string) error {
			if strings.HasPrefix(raw, "https://") {
				return nil
			}
			return fault.InvalidFields(fault.Field{Pointer: "/url", Detail: "url must begin with https://."})
		},
	}
}

func noon() time.Time { return time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC) }

func good() webhook.Draft {
	return webhook.Draft{Name: "CRM", Provider: webhook.Custom, URL: "https://a.example.com/", Event: webhook.SendNotes}
}

func TestNewChecksEveryField(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", webhook.MaxName)
	tests := map[string]struct {
		change func(*webhook.Draft)
		wrong  string // the pointers, joined
		detail string
	}{
		"all good":                   {func(*webhook.Draft) {}, "", ""},
		"name of 100":                {func(d *webhook.Draft) { d.Name = long }, "", ""},
		"name of 100 and spaces":     {func(d *webhook.Draft) { d.Name = "  " + long + "\n" }, "", ""},
		"name of 101":                {func(d *webhook.Draft) { d.Name = long + "x" }, "/name", "name is too long: 101 characters, at most 100."},
		"name of one":                {func(d *webhook.Draft) { d.Name = "😀" }, "", ""},
		"no name":                    {func(d *webhook.Draft) { d.Name = "" }, "/name", "name is required."},
		"name of spaces":             {func(d *webhook.Draft) { d.Name = " \u2003\t" }, "/name", "name is required."},
		"name with line break":       {func(d *webhook.Draft) { d.Name = "a\nb" }, "/name", "name must not contain control characters, such as line breaks or tabs."},
		"name with NUL":              {func(d *webhook.Draft) { d.Name = "a\x00b" }, "/name", ""},
		"name with C1 control":       {func(d *webhook.Draft) { d.Name = "a\u0085b" }, "/name", ""},
		"name with DEL":              {func(d *webhook.Draft) { d.Name = "a\u007fb" }, "/name", ""},
		"name with zero-width join":  {func(d *webhook.Draft) { d.Name = "👩\u200d👧" }, "", ""},
		"name of a zero-width space": {func(d *webhook.Draft) { d.Name = "\u200b" }, "/name", "name is required."},
		"name of a combining mark":   {func(d *webhook.Draft) { d.Name = "\u0301" }, "/name", "name needs a character that can be seen."},
		"name of 100 and invisible":  {func(d *webhook.Draft) { d.Name = "\ufeff" + long + "\u200b" }, "", ""},
		"url with spaces around it":  {func(d *webhook.Draft) { d.URL = " \u200b" + d.URL + "\u00a0\n" }, "", ""},
		"name of broken UTF-8":       {func(d *webhook.Draft) { d.Name = "a\xff" }, "/name", ""},
		"unknown provider":           {func(d *webhook.Draft) { d.Provider = "make" }, "/provider", "provider must be custom or zapier."},
		"unknown event":              {func(d *webhook.Draft) { d.Event = "call.started" }, "/event", ""},
		"disabled":                   {func(d *webhook.Draft) { d.Event = webhook.Disabled }, "", ""},
		"bad url":                    {func(d *webhook.Draft) { d.URL = "http://a.example.com" }, "/url", "url must begin with https://."},
		"zapier elsewhere": {
			func(d *webhook.Draft) { d.Provider = webhook.Zapier }, "/url",
			"url must be at hooks.zapier.com or hooks.example.org or one.example.org:8443 or any.example.org:* for the provider Zapier. For another host or port choose a custom webhook.",
		},
		"zapier at a subdomain":  {func(d *webhook.Draft) { d.Provider, d.URL = webhook.Zapier, "https://x.hooks.zapier.com/" }, "/url", ""},
		"zapier as prefix":       {func(d *webhook.Draft) { d.Provider, d.URL = webhook.Zapier, "https://hooks.zapier.com.evil.example/" }, "/url", ""},
		"zapier in capitals":     {func(d *webhook.Draft) { d.Provider, d.URL = webhook.Zapier, "https://Hooks.Zapier.com:443/x" }, "", ""},
		"zapier at another host": {func(d *webhook.Draft) { d.Provider, d.URL = webhook.Zapier, "https://hooks.example.org/x" }, "", ""},
		"zapier at another port": {func(d *webhook.Draft) { d.Provider, d.URL = webhook.Zapier, "https://hooks.zapier.com:8443/x" }, "/url", ""},
		"zapier over http":       {func(d *webhook.Draft) { d.Provider, d.URL = webhook.Zapier, "http://hooks.zapier.com/x" }, "/url", ""},
		"zapier at its port":     {func(d *webhook.Draft) { d.Provider, d.URL = webhook.Zapier, "https://one.example.org:8443/x" }, "", ""},
		"zapier not at its port": {func(d *webhook.Draft) { d.Provider, d.URL = webhook.Zapier, "https://one.example.org/x" }, "/url", ""},
		"zapier at any port":     {func(d *webhook.Draft) { d.Provider, d.URL = webhook.Zapier, "https://any.example.org:1234/x" }, "", ""},
		"zapier at any, unsaid":  {func(d *webhook.Draft) { d.Provider, d.URL = webhook.Zapier, "https://any.example.org/x" }, "", ""},
		"everything at once": {
			func(d *webhook.Draft) { *d = webhook.Draft{Name: "", Provider: "x", URL: "x", Event: "x"} },
			"/name/provider/url/event", "",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := good()
			tc.change(&d)
			w, wrong := rules().New("wh_1", "acme", "whsec_x", d, noon())
			pointers := ""
			for _, f := range wrong {
				pointers += f.Pointer
			}
			if pointers != tc.wrong {
				t.Fatalf("wrong fields %q, want %q: %v", pointers, tc.wrong, wrong)
			}
			if tc.detail != "" && wrong[0].Detail != tc.detail {
				t.Errorf("detail %q, want %q", wrong[0].Detail, tc.detail)
			}
			if len(wrong) == 0 && (w.Version != 1 || w.Name != webhook.Trim(d.Name) || w.URL != webhook.Trim(d.URL) || !w.CreatedAt.Equal(noon())) {
				t.Errorf("unexpected webhook %+v", w)
			}
		})
	}
}

func TestApply(t *testing.T) {
	t.Parallel()
	later := noon().Add(time.Hour)
	held, _ := rules().New("wh_1", "acme", "whsec_x", good(), noon())
	held.Health.FailureCount = 2
	held.Health.HoldUntil = later
	held.Health.AutoDisabled = webhook.DisabledForFailures
	text := func(s string) *string { return &s }

	t.Run("a new URL ends the hold and does not enable", func(t *testing.T) {
		t.Parallel()
		w, wrong := rules().Apply(held, webhook.Change{URL: text("https://b.example.com/")}, later)
		if len(wrong) > 0 || w.Health.OnHold() || w.Status() != webhook.StatusAutoDisabled || w.Health.FailureCount != 2 {
			t.Errorf("got %v %+v", wrong, w)
		}
		if !w.UpdatedAt.Equal(later) {
			t.Errorf("updated at %v", w.UpdatedAt)
		}
	})
	t.Run("the same URL keeps the hold", func(t *testing.T) {
		t.Parallel()
		w, _ := rules().Apply(held, webhook.Change{URL: text(held.URL), Name: text("Other")}, later)
		if !w.Health.OnHold() || w.Name != "Other" {
			t.Errorf("got %+v", w)
		}
	})
	t.Run("nothing changed", func(t *testing.T) {
		t.Parallel()
		w, wrong := rules().Apply(held, webhook.Change{Name: text(" CRM \u200b"), URL: text("\ufeff" + held.URL + " ")}, later)
		if len(wrong) > 0 || !w.UpdatedAt.Equal(noon()) {
			t.Errorf("got %v %+v", wrong, w)
		}
	})
	t.Run("only what is set is checked", func(t *testing.T) {
		t.Parallel()
		old := held
		old.URL = "http://allowed-then.example.com/"
		disabled := webhook.Disabled
		if w, wrong := rules().Apply(old, webhook.Change{Event: &disabled}, later); len(wrong) > 0 || w.Status() != webhook.StatusDisabled {
			t.Errorf("got %v %+v", wrong, w)
		}
	})
	t.Run("all wrong fields at once", func(t *testing.T) {
		t.Parallel()
		bad := webhook.Setting("x")
		if _, wrong := rules().Apply(held, webhook.Change{Name: text(""), URL: text("x"), Event: &bad}, later); len(wrong) != 3 {
			t.Errorf("got %v", wrong)
		}
	})
}

func TestSuggestsZapier(t *testing.T) {
	t.Parallel()
	at := func(p webhook.Provider, url string) bool {
		return rules().SuggestsZapier(webhook.Webhook{Provider: p, URL: url})
	}
	if !at(webhook.Custom, "https://HOOKS.zapier.com/hooks/catch/1") {
		t.Error("a custom webhook at Zapier is not offered the Zapier provider")
	}
	if at(webhook.Zapier, "https://hooks.zapier.com/") || at(webhook.Custom, "https://a.example.com/") {
		t.Error("suggested where it does not fit")
	}
}
