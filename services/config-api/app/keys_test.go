package app_test

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/dialnote/webhooks/pkg/access"
	"github.com/dialnote/webhooks/pkg/store/storetest"
)

const (
	keys       = "/v1/organizations/acme/api-keys"
	zapier     = "/v1/organizations/acme/zapier-key"
	links      = "/v1/organizations/acme/portal-links"
	exampleKey = "key_01jd9v7q6w3k8m5n2p4r6t8v0x" // of the document
)

// apiKey makes an API key and returns its id and its text.
func (s *system) apiKey(t *testing.T, organization string) (id, text string) {
	t.Helper()
	path := "/v1/organizations/" + organization + "/api-keys"
	made := s.do(t, call{method: http.MethodPost, path: path, body: `{"name":"Reporting"}`}).want(t, http.StatusCreated).object(t)
	id, _ = made["id"].(string)
	text, _ = made["key"].(string)
	return id, text
}

// session opens a portal link of an organization and returns the cookie.
func (s *system) session(t *testing.T, organization string) string {
	t.Helper()
	path := "/v1/organizations/" + organization + "/portal-links"
	made := s.do(t, call{method: http.MethodPost, path: path, body: `{"actor":"anna@acme.example"}`}).want(t, http.StatusCreated).object(t)
	address, _ := made["url"].(string)
	link, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	cookie, err := access.NewSession(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	token, id := access.Secret(link.Query().Get("token")), "ses_"+strings.ToLower(ulid.Make().String())
	if _, err := s.store.OpenLink(t.Context(), token.Digest(), id, cookie.Digest(), s.clock.Now()); err != nil {
		t.Fatal(err)
	}
	return cookie.Reveal()
}

func withCookie(text string) map[string]string {
	return map[string]string{"Cookie": "theme=dark; dialnote_portal=" + text}
}

// exampleAPIKey makes the document's example.
func (s *system) exampleAPIKey(t *testing.T) {
	t.Helper()
	k, text := storetest.Key(t, "acme")
	k.ID = exampleKey
	if err := s.store.CreateKey(t.Context(), storetest.By(), k, text.Digest(), 100); err != nil {
		t.Fatal(err)
	}
}

func TestAPIKeys(t *testing.T) {
	t.Parallel()
	s := start(t)
	made := s.do(t, call{
		method: http.MethodPost, path: keys, body: `{"name":"  Reporting ","scope":"manage"}`, header: map[string]string{"Idempotency-Key": "one"},
	}).want(t, http.StatusCreated)
	k := made.object(t)
	text, _ := k["key"].(string)
	if len(text) < 40 || !strings.HasPrefix(text, "dnk_") || k["lastCharacters"] != text[len(text)-4:] || k["name"] != "Reporting" || k["lastUsedAt"] != nil {
		t.Fatalf("made %s", made.text)
	}
	again := s.do(t, call{
		method: http.MethodPost, path: keys, body: `{"name":"  Reporting ","scope":"manage"}`, header: map[string]string{"Idempotency-Key": "one"},
	}).want(t, http.StatusCreated)
	if string(again.text) != string(made.text) {
		t.Errorf("the same request again answered %s", again.text)
	}

	// It opens its organization, and says so in the list, never showing its text.
	s.do(t, call{path: webhooks, token: text}).want(t, http.StatusOK)
	list := s.do(t, call{path: keys}).want(t, http.StatusOK)
	data, _ := list.object(t)["data"].([]any)
	if len(data) != 1 || strings.Contains(string(list.text), text[4:]) {
		t.Fatalf("list: %s", list.text)
	}
	used, _ := data[0].(map[string]any)["lastUsedAt"].(string)
	if at, err := time.Parse(time.RFC3339, used); err != nil || s.clock.Now().Sub(at).Abs() > time.Second {
		t.Errorf("last used at %q", used)
	}

	// It cannot make keys, and opens nothing once it is revoked.
	s.do(t, call{path: keys, token: text}).problem(t, http.StatusForbidden)
	id, _ := k["id"].(string)
	s.do(t, call{method: http.MethodDelete, path: keys + "/" + id, token: text}).problem(t, http.StatusForbidden)
	s.do(t, call{method: http.MethodDelete, path: keys + "/" + id}).want(t, http.StatusNoContent)
	s.do(t, call{path: webhooks, token: text}).problem(t, http.StatusUnauthorized)
	if p := s.do(t, call{method: http.MethodDelete, path: keys + "/" + id}).problem(t, http.StatusNotFound); p.Type != "urn:dialnote:problem:api-key-not-found" {
		t.Errorf("revoked twice: %+v", p)
	}
	if list := s.do(t, call{path: keys}).want(t, http.StatusOK); string(list.text) != `{"data":[],"nextCursor":null}` {
		t.Errorf("the revoked key is listed: %s", list.text)
	}
	if strings.Contains(s.log.String(), text[4:]) {
		t.Error("the log holds the key")
	}
}

func TestAPIKeysWithWrongFields(t *testing.T) {
	t.Parallel()
	s := start(t)
	for body, pointer := range map[string]string{
		`{}`:           "/name",
		`{"name":" "}`: "/name",
		`{"name":"` + strings.Repeat("a", 101) + `"}`: "/name",
		`{"name":"a\nb"}`:              "/name",
		`{"name":"a","scope":"admin"}`: "/scope",
		`{"name":"a","colour":1}`:      "/colour",
	} {
		p := s.do(t, call{method: http.MethodPost, path: keys, body: body}).problem(t, http.StatusUnprocessableEntity)
		if got := p.pointers(); !slices.Equal(got, []string{pointer}) {
			t.Errorf("%s: %v", body, got)
		}
	}
	for body, pointer := range map[string]string{
		`{"actor":"` + strings.Repeat("a", 101) + `"}`: "/actor",
		`{"actor":"a\u0000b"}`:                         "/actor",
		`{"person":"anna"}`:                            "/person",
	} {
		p := s.do(t, call{method: http.MethodPost, path: links, body: body}).problem(t, http.StatusUnprocessableEntity)
		if got := p.pointers(); !slices.Equal(got, []string{pointer}) {
			t.Errorf("%s: %v", body, got)
		}
	}
}

func TestAPIKeyPages(t *testing.T) {
	t.Parallel()
	s := start(t)
	var want, got []string
	for range 3 {
		id, _ := s.apiKey(t, "acme")
		want = append([]string{id}, want...)
		s.clock.advance(time.Millisecond)
	}
	for path := keys + "?limit=2"; path != ""; {
		page := s.do(t, call{path: path}).want(t, http.StatusOK).object(t)
		data, _ := page["data"].([]any)
		for _, item := range data {
			id, _ := item.(map[string]any)["id"].(string)
			got = append(got, id)
		}
		path = ""
		if next, _ := page["nextCursor"].(string); next != "" {
			path = keys + "?limit=2&cursor=" + next
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("listed %v, want %v", got, want)
	}
	for _, path := range []string{keys, audits} {
		s.do(t, call{path: path + "?cursor=MWFiYw"}).problem(t, http.StatusBadRequest) // of the right form, and not made by the store
	}
}

func TestTheZapierKey(t *testing.T) {
	t.Parallel()
	s := start(t)
	read := func(c call) string {
		t.Helper()
		key, _ := s.do(t, c).want(t, http.StatusOK).object(t)["key"].(string)
		return key
	}
	enters := func(key string, want int) {
		t.Helper()
		s.do(t, call{path: "/v1/zapier/me", token: "-", header: map[string]string{"X-DIALNOTE-API-KEY": key}}).want(t, want)
	}
	first := read(call{path: zapier})
	if again := read(call{path: zapier}); again != first {
		t.Errorf("shown as %q and %q", first, again)
	}
	enters(first, http.StatusOK)
	second := read(call{method: http.MethodPost, path: zapier + "/rotate"})
	enters(first, http.StatusUnauthorized)
	enters(second, http.StatusOK)
	if again := read(call{path: zapier}); again != second || first == second {
		t.Errorf("rotated from %q to %q, shown as %q", first, second, again)
	}
	// It is no API key, and an API key is none.
	s.do(t, call{path: webhooks, token: second}).problem(t, http.StatusUnauthorized)
	_, key := s.apiKey(t, "acme")
	enters(key, http.StatusUnauthorized)
	if log := s.log.String(); strings.Contains(log, first[4:]) || strings.Contains(log, second[4:]) {
		t.Error("the log holds a key")
	}
}

func TestPortalLinks(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, body := range []string{"", `{}`, `{"actor":" anna@acme.example "}`} {
		made := s.do(t, call{method: http.MethodPost, path: links, body: body}).want(t, http.StatusCreated).object(t)
		address, _ := made["url"].(string)
		expires, _ := made["expiresAt"].(string)
		at, err := time.Parse(time.RFC3339, expires)
		if left := at.Sub(s.clock.Now()); err != nil || left > access.LinkLife || left < access.LinkLife-time.Second ||
			!strings.HasPrefix(address, "http://localhost:8080/portal/enter?token=dnl_") {
			t.Errorf("made %v", made)
		}
	}
	_, key := s.apiKey(t, "acme")
	s.do(t, call{method: http.MethodPost, path: links, token: key}).problem(t, http.StatusForbidden)
	s.do(t, call{method: http.MethodPost, path: links, token: "-", header: withCookie(s.session(t, "acme"))}).problem(t, http.StatusForbidden)
}

func TestPortalSessions(t *testing.T) {
	t.Parallel()
	s := start(t)
	cookie := s.session(t, "acme")
	as := func(header ...string) call {
		c := call{path: webhooks, token: "-", header: withCookie(cookie)}
		for i := 0; i < len(header); i += 2 {
			c.header[header[i]] = header[i+1]
		}
		return c
	}
	create := func(c call) call {
		c.method, c.body = http.MethodPost, good
		return c
	}
	s.do(t, as()).want(t, http.StatusOK)
	s.do(t, create(as())).want(t, http.StatusCreated) // no browser
	s.do(t, create(as("Sec-Fetch-Site", "same-origin"))).want(t, http.StatusCreated)
	s.do(t, create(as("Origin", s.url))).want(t, http.StatusCreated)
	s.do(t, create(as("Origin", "http://localhost:8080"))).want(t, http.StatusCreated) // PUBLIC_URL
	s.do(t, as("Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example")).want(t, http.StatusOK)
	for _, header := range [][]string{
		{"Sec-Fetch-Site", "cross-site"},
		{"Sec-Fetch-Site", "same-site"},
		{"Origin", "https://evil.example"},
		{"Origin", "null"},
		{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"},
	} {
		p := s.do(t, create(as(header...))).problem(t, http.StatusForbidden)
		if p.Type != "urn:dialnote:problem:cross-origin-request" {
			t.Errorf("%v: %+v", header, p)
		}
	}
	// A token is not sent by a browser by itself, and needs no such protection.
	s.do(t, call{method: http.MethodPost, path: webhooks, body: good, header: map[string]string{"Sec-Fetch-Site": "cross-site"}}).want(t, http.StatusCreated)
	// What is sent explicitly counts, and a wrong one is not made good.
	s.do(t, as("Authorization", "Bearer unknown-token-0123456789")).problem(t, http.StatusUnauthorized)
	// Which of two cookies is ours cannot be told.
	s.do(t, as("Cookie", "dialnote_portal=x; dialnote_portal="+cookie)).problem(t, http.StatusUnauthorized)
	s.do(t, as("Cookie", "dialnote_portal="+cookie+"; dialnote_portal=x")).problem(t, http.StatusUnauthorized)
	s.do(t, as("Cookie", "dialnote_portal=")).problem(t, http.StatusUnauthorized)

	s.clock.advance(access.SessionLife - time.Minute)
	s.do(t, as()).want(t, http.StatusOK)
	s.clock.advance(2 * time.Minute)
	s.do(t, as()).problem(t, http.StatusUnauthorized)
	cookie = s.session(t, "acme")
	s.do(t, as()).want(t, http.StatusOK)
	if err := s.store.EndSession(t.Context(), access.Secret(cookie).Digest(), s.clock.Now()); err != nil {
		t.Fatal(err)
	}
	s.do(t, as()).problem(t, http.StatusUnauthorized)
}

func TestTheUseOfAKeyIsNotedOnceAMinute(t *testing.T) {
	t.Parallel()
	s := start(t)
	_, text := s.apiKey(t, "acme")
	began := s.clock.Now().UTC().Truncate(time.Microsecond)
	s.do(t, call{path: webhooks, token: text}).want(t, http.StatusOK)
	s.wantUsed(t, text, began)
	s.clock.advance(59 * time.Second)
	s.do(t, call{path: webhooks, token: text}).want(t, http.StatusOK)
	s.wantUsed(t, text, began)
	s.clock.advance(time.Second)
	s.do(t, call{path: webhooks, token: text}).want(t, http.StatusOK)
	s.wantUsed(t, text, began.Add(time.Minute))
}

func (s *system) wantUsed(t *testing.T, text string, want time.Time) {
	t.Helper()
	k, err := s.store.FindKey(t.Context(), access.Secret(text).Digest())
	if err != nil || !k.LastUsedAt.Equal(want) {
		t.Errorf("last used at %s, want %s: %v", k.LastUsedAt, want, err)
	}
}
