package app_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/dialnote/webhooks/pkg/endpoint"
)

// around are what comes with text that was pasted, and a person cannot see.
var around = []struct{ before, after string }{
	{"  ", " "}, {"\t", "\r\n"}, {"\u00a0", "\u00a0"}, {"\ufeff", ""}, {"\u200b", "\u200b"}, {"\u2060\u00ad", "\u200e"}, {"\u3000", "\u2028"}, {"\u200d", "\u200c"},
}

// pasted returns text between what may come with it, as a JSON string.
func pasted(t *testing.T, i int, text string) string {
	t.Helper()
	quoted, err := json.Marshal(around[i].before + text + around[i].after)
	if err != nil {
		t.Fatal(err)
	}
	return string(quoted)
}

func TestPastedTextIsTrimmed(t *testing.T) {
	t.Parallel()
	s := page(t)
	key := s.zapierKey(t, "globex")
	v := s.visit(t, "acme", "anna")
	id := v.add(t, "Before")
	subscribed := ""
	for i, space := range around {
		const url = "https://example.com/a"
		w := s.do(t, call{method: http.MethodPost, path: "/v1/organizations/initech/webhooks", body: `{"name":` + pasted(t, i, "CRM") +
			`,"provider":"custom","event":"note.created","url":` + pasted(t, i, url) + `}`}).want(t, http.StatusCreated).object(t)
		if w["url"] != url || w["name"] != "CRM" {
			t.Errorf("%+q: created %v", space, w)
		}
		path := "/v1/organizations/initech/webhooks/" + w["id"].(string)
		w = s.do(t, call{method: http.MethodPatch, path: path, body: `{"url":` + pasted(t, i, url+"b") + `,"name":` + pasted(t, i, "B") + `}`}).want(t, http.StatusOK).object(t)
		if w["url"] != url+"b" || w["name"] != "B" {
			t.Errorf("%+q: changed %v", space, w)
		}
		again := s.do(t, call{method: http.MethodPatch, path: path, body: `{"url":` + pasted(t, i, url+"b") + `}`}).want(t, http.StatusOK).object(t)
		if again["version"] != w["version"] {
			t.Errorf("%+q: the same URL is a change", space)
		}
		s.do(t, call{method: http.MethodDelete, path: path}).want(t, http.StatusNoContent)

		// The same URL is the same subscription.
		made := s.zapier(t, key, http.MethodPost, "hooks", `{"event":"note.created","name":`+pasted(t, i, "")+`,"targetUrl":`+pasted(t, i, zapURL)+`}`).want(t, http.StatusCreated).object(t)
		if subscribed == "" {
			subscribed, _ = made["id"].(string)
		}
		if kept, err := s.store.Get(t.Context(), "globex", subscribed); err != nil || made["id"] != subscribed || kept.URL != zapURL || kept.Name != "Zap: note.created" {
			t.Errorf("%+q: subscribed %v, kept %+v, %v", space, made, kept, err)
		}

		v.open(t, "/portal/webhooks/"+id+"/edit").send(t, "Save", map[string]string{
			"name": space.before + "CRM" + space.after, "url": space.before + url + space.after,
		}).want(t, http.StatusOK)
		if w := s.only(t); w.URL != url || w.Name != "CRM" {
			t.Errorf("%+q: the page saved %q, %q", space, w.Name, w.URL)
		}
	}
	v.open(t, "/portal/webhooks/new").send(t, "Create webhook", map[string]string{"name": "", "url": "\ufeff https://hooks.zapier.com/hooks/catch/1/a/ "}).
		sees(t, "This URL belongs to Zapier: choose the provider Zapier")
}

// What is left when it is trimmed follows the rules as ever.
func TestPastedTextThatIsRefused(t *testing.T) {
	t.Parallel()
	s := start(t)
	long := "https://example.com/" + strings.Repeat("a", endpoint.MaxURLBytes-len("https://example.com/"))
	for _, tt := range []struct{ name, url, pointer, detail string }{
		{"CRM", " " + long + "\u200b", "", ""},
		{"CRM", " " + long + "b", "/url", "The URL is longer than 2,048 bytes."},
		{"CRM", " \u200b", "/url", "Enter the URL of your endpoint."},
		{"CRM", "https://example.com/a b", "/url", "The URL contains a space or a line break."},
		{"CRM", "https://exam\u200bple.com/", "/url", "The URL contains an invisible character. Type it again instead of pasting it."},
		{"\u200b", "https://example.com/", "/name", "name is required."},
		{" \u3164\u2800 ", "https://example.com/", "/name", "name is required."},
		{"\u0301", "https://example.com/", "/name", "name needs a character that can be seen."},
	} {
		body, err := json.Marshal(map[string]string{"name": tt.name, "provider": "custom", "url": tt.url, "event": "note.created"})
		if err != nil {
			t.Fatal(err)
		}
		r := s.do(t, call{method: http.MethodPost, path: webhooks, body: string(body)})
		if tt.pointer == "" {
			r.want(t, http.StatusCreated)
			continue
		}
		p := r.problem(t, http.StatusUnprocessableEntity)
		if len(p.Errors) != 1 || p.Errors[0].Pointer != tt.pointer || p.Errors[0].Detail != tt.detail {
			t.Errorf("%+q at %+q: %s", tt.name, tt.url, r.text)
		}
	}
	s.do(t, call{method: http.MethodPost, path: "/v1/organizations/acme/api-keys", body: `{"name":"\u200b"}`}).problem(t, http.StatusUnprocessableEntity)
	key := s.do(t, call{method: http.MethodPost, path: "/v1/organizations/acme/api-keys", body: `{"name":"\ufeffReporting\u200b"}`}).want(t, http.StatusCreated).object(t)
	if key["name"] != "Reporting" {
		t.Errorf("made %v", key)
	}
}
