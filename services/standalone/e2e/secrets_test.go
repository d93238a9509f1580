package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"html"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/dialnote/webhooks/services/hooklab/receiver"
)

// session uses the API as an organization does, and remembers what is secret
// and where it was seen.
type session struct {
	t       *testing.T
	base    string
	token   string
	secrets map[string]string // by name; none may stand anywhere it was not asked for
	answers []seen
}

// seen is something that the program wrote, and the secrets that it may hold.
type seen struct {
	what, text string
	allowed    []string
}

// ask makes a request and remembers the answer. allowed are the secrets that it
// is meant to show.
func (s *session) ask(method, path, body string, header map[string]string, allowed ...string) (int, string, http.Header) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.base+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, value := range header {
		if req.Header.Set(name, value); value == "" {
			req.Header.Del(name)
		}
	}
	client := &http.Client{Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	var head strings.Builder
	_ = res.Header.Write(&head)
	s.answers = append(s.answers, seen{method + " " + path, head.String() + "\n" + string(text), allowed})
	return res.StatusCode, string(text), res.Header
}

// field makes a request that must be answered with want and returns a field.
func (s *session) field(name string, want int, method, path, body string, header map[string]string, allowed ...string) string {
	s.t.Helper()
	status, text, _ := s.ask(method, path, body, header, allowed...)
	if status != want {
		s.t.Fatalf("%s %s answered %d: %s", method, path, status, text)
	}
	var object map[string]any
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	value, _ := object[name].(string)
	if value == "" {
		s.t.Fatalf("%s %s has no %s: %s", method, path, name, text)
	}
	return value
}

// collector keeps the traces that it is sent, as they come.
type collector struct {
	mu  sync.Mutex
	all bytes.Buffer
}

// ServeHTTP is OTLP over HTTP, whose texts stand in plain in its protobuf.
func (c *collector) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = io.Copy(&c.all, r.Body)
}

// A whole session, with debug logging and traces: what is secret stands in the answers
// that are asked for it and nowhere else that the program writes.
func TestSecretsAreWrittenNowhere(t *testing.T) {
	t.Parallel()
	const inURL, inHeader, inEvent, wrongKey = "urlcanary5e1f0a", "headercanary77b2c9", "eventcanary31d8aa", "dnk_wrongcanary90ab12cd34ef56"
	dir, env := t.TempDir(), privateInstallation()
	traces := &collector{}
	otlp := httptest.NewServer(traces)
	t.Cleanup(otlp.Close)
	maps.Copy(env, map[string]string{"LOG_LEVEL": "debug", "AUTO_DISABLE_AFTER": "3", "OTEL_EXPORTER_OTLP_ENDPOINT": otlp.URL})
	r, receiverURL := newReceiver(t)
	alone := startStandalone(t, dir, env)
	s := &session{t: t, base: alone.client.base, token: alone.client.token, secrets: map[string]string{
		"service token": alone.client.token, "header": inHeader, "wrong key": strings.TrimPrefix(wrongKey, "dnk_"),
	}}
	keys, err := os.ReadFile(filepath.Join(dir, "data", "encryption-keys"))
	if err != nil {
		t.Fatal(err)
	}
	_, key, _ := strings.Cut(strings.TrimSpace(string(keys)), ":")
	s.secrets["encryption key"] = key

	const hooks, events = "/v1/organizations/" + organization + "/webhooks", "/v1/organizations/" + organization + "/events"
	again := map[string]string{"Idempotency-Key": "once"}
	create := `{"name":"CRM","provider":"custom","event":"note.created","url":"` + receiverURL + `/ok?key=` + inURL + `","headers":{"X-Key":"` + inHeader + `"}}`
	id := s.field("id", http.StatusCreated, http.MethodPost, hooks, create, again, "secret")
	s.secrets["secret"] = strings.TrimPrefix(s.field("secret", http.StatusCreated, http.MethodPost, hooks, create, again, "secret"), "whsec_")
	r.Expect("/ok", "whsec_"+s.secrets["secret"])
	failing := s.field("id", http.StatusCreated, http.MethodPost, hooks, strings.Replace(strings.Replace(create, "/ok", "/status/500", 1), "CRM", "Failing", 1), nil)
	note := func(id string) string {
		return `{"id":"` + id + `","type":"note.created","data":{"noteId":"n1","conversationId":"c1","body":"` + inEvent + `","authorId":"u1","createdAt":"2026-11-02T09:30:00Z"}}`
	}
	for _, id := range []string{"evt_a", "evt_b", "evt_c"} {
		s.ask(http.MethodPost, events, note(id), nil)
	}
	if err := r.WaitCount(t.Context(), "/ok", 3); err != nil {
		t.Fatal(err)
	}
	await(t, "automatic disabling", func() error {
		if h := alone.client.hook(t, failing); h.Status != "auto_disabled" {
			return errors.New(h.Status)
		}
		return nil
	})

	// What people do, right and wrong.
	one, other := hooks+"/"+id, hooks+"/"+failing
	s.ask(http.MethodGet, hooks, "", nil)
	s.ask(http.MethodGet, one, "", nil)
	s.ask(http.MethodPatch, one, `{"name":"Renamed","headers":{"X-Other":"`+inHeader+`"}}`, nil)
	s.ask(http.MethodPatch, one, `{"headers":{"Content-Length":"`+inHeader+`"}}`, nil)
	s.ask(http.MethodPatch, one, `{"url":"https://user:`+inHeader+`@example.com/"}`, nil)
	s.ask(http.MethodPatch, one, `{"name":`+inHeader, nil)
	s.ask(http.MethodGet, one+"/secret", "", nil, "secret")
	s.ask(http.MethodPost, one+"/test", "", nil)
	s.ask(http.MethodPost, other+"/test", "", nil)
	_, list, _ := s.ask(http.MethodGet, other+"/deliveries", "", nil)
	var log struct{ Data []struct{ ID string } }
	if err := json.Unmarshal([]byte(list), &log); err != nil || len(log.Data) == 0 {
		t.Fatalf("the log is %s", list)
	}
	s.ask(http.MethodGet, other+"/deliveries/"+log.Data[0].ID, "", nil)
	s.ask(http.MethodPost, other+"/deliveries/"+log.Data[0].ID+"/redeliver", "", nil)
	s.ask(http.MethodGet, other+"/stats", "", nil)
	r.Set("/status/500", receiver.OK())
	s.ask(http.MethodPost, other+"/enable", `{"heldEvents":"deliver"}`, nil)
	s.ask(http.MethodPost, other+"/recoveries", `{"since":"2026-01-01T00:00:00Z"}`, nil)
	for _, header := range []map[string]string{{"Authorization": "Bearer " + wrongKey}, {"Authorization": "Basic " + wrongKey}, {"X-DIALNOTE-API-KEY": wrongKey}, {"Cookie": "dialnote_portal=" + wrongKey}} {
		s.ask(http.MethodGet, hooks, "", header)
		s.ask(http.MethodGet, "/v1/zapier/me", "", header)
		s.ask(http.MethodGet, "/portal/", "", header)
	}

	s.useCredentials("/portal/webhooks/" + id)
	s.ask(http.MethodGet, "/v1/organizations/"+organization+"/audit-log", "", nil)
	s.ask(http.MethodDelete, other, "", nil)
	for _, path := range []string{"/metrics", "/readyz", "/livez", "/docs", "/openapi.json"} {
		s.ask(http.MethodGet, path, "", nil)
	}
	alone.stop(t)

	// A start that fails tells of settings, and of no secret.
	wrong := start(t, "standalone", map[string]string{
		"DATA_DIR": "data", "HTTP_ADDR": "127.0.0.1:0", "LOG_LEVEL": "debug",
		"ENCRYPTION_KEYS": "other:" + strings.Repeat("A", 43) + "=", "API_TOKENS": "me:" + s.token,
		"OUTBOUND_PROXY": "http://me:" + inHeader + "@127.0.0.1:1",
	}, dir, "standalone")
	<-wrong.ended
	if name, _, _ := strings.Cut(string(keys), ":"); wrong.err == nil || !strings.Contains(wrong.log.tail(5), "lacks the key "+name) {
		t.Errorf("with another key it ends with %v:\n%s", wrong.err, wrong.log.tail(5))
	}

	s.secrets["URL"], s.secrets["event"] = inURL, inEvent // of customers: not for the operator's log
	for i := range s.answers {
		s.answers[i].allowed = append(s.answers[i].allowed, "URL", "event")
	}
	for _, p := range []*process{alone.process, wrong} {
		lines, _, _ := p.log.from(0)
		s.answers = append(s.answers, seen{what: "the output of " + p.name, text: strings.Join(lines, "\n")})
	}
	traces.mu.Lock()
	defer traces.mu.Unlock()
	for _, span := range []string{"publish", "match", "attempt", "record"} {
		if !bytes.Contains(traces.all.Bytes(), []byte(span)) {
			t.Errorf("no span %s was sent: %d bytes", span, traces.all.Len())
		}
	}
	s.answers = append(s.answers, seen{what: "a trace", text: traces.all.String()})
	s.files(filepath.Join(dir, "data"))
	s.check()
}

// useCredentials has each kind of credential made, shown, used and replaced.
// hook is a webhook's address on the page.
func (s *session) useCredentials(hook string) {
	s.t.Helper()
	const org = "/v1/organizations/" + organization
	s.secrets["API key"] = s.field("key", http.StatusCreated, http.MethodPost, org+"/api-keys", `{"name":"CI"}`, nil, "API key")
	bearer := map[string]string{"Authorization": "Bearer " + s.secrets["API key"]}
	s.ask(http.MethodGet, org+"/webhooks", "", bearer)
	s.ask(http.MethodGet, org+"/portal-links", "", bearer)
	s.ask(http.MethodGet, org+"/api-keys", "", nil)
	s.secrets["Zapier key"] = s.field("key", http.StatusOK, http.MethodGet, org+"/zapier-key", "", nil, "Zapier key")
	zapier := map[string]string{"X-DIALNOTE-API-KEY": s.secrets["Zapier key"], "Authorization": ""}
	s.ask(http.MethodGet, "/v1/zapier/me", "", zapier)
	s.secrets["new Zapier key"] = s.field("key", http.StatusOK, http.MethodPost, org+"/zapier-key/rotate", "", nil, "new Zapier key")
	s.ask(http.MethodGet, "/v1/zapier/me", "", zapier)
	link := s.field("url", http.StatusCreated, http.MethodPost, org+"/portal-links", `{"actor":"anna@acme.example"}`, nil, "link")
	token := link[strings.LastIndexAny(link, "/=?#")+1:]
	if len(token) < 20 {
		s.t.Fatalf("the link %s ends in no token", link)
	}
	s.secrets["link"] = token
	// Opening it begins a session: by GET, or by the page's form.
	path := strings.TrimPrefix(link, s.base)
	_, _, header := s.ask(http.MethodGet, path, "", map[string]string{"Authorization": ""}, "link", "session")
	_, value, found := strings.Cut(header.Get("Set-Cookie"), "dialnote_portal=")
	if !found {
		s.t.Fatal("the link has begun no session")
	}
	s.secrets["session"], _, _ = strings.Cut(value, ";")
	inside := map[string]string{"Authorization": "", "Cookie": "dialnote_portal=" + s.secrets["session"]}
	for _, path := range []string{
		org + "/webhooks", "/portal/", "/portal/keys", "/portal/audit", "/portal/zapier/rotate",
		hook, hook + "/edit", hook + "/test", hook + "/secret", hook + "/check", hook + "/delete",
	} {
		if status, text, _ := s.ask(http.MethodGet, path, "", inside); status != http.StatusOK {
			s.t.Fatalf("%s answered %d: %s", path, status, text)
		}
	}
	inside["Content-Type"] = "application/x-www-form-urlencoded"
	s.ask(http.MethodPost, hook+"/secret", "", inside, "secret")
	s.ask(http.MethodPost, hook+"/preview", "", inside)
	s.ask(http.MethodPost, "/portal/zapier/key", "", inside, "new Zapier key")
	s.ask(http.MethodPost, "/portal/leave", "", inside)
}

// files adds what is in a folder's files. Only the two that are for secrets hold
// one in plain, and only their owner can read them.
func (s *session) files(dir string) {
	s.t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		allowed := []string{"URL", "event"} // customers' data: in the database and in the streams
		switch entry.Name() {
		case "service-token":
			allowed = append(allowed, "service token")
		case "encryption-keys":
			allowed = append(allowed, "encryption key")
		}
		if len(allowed) > 2 && info.Mode().Perm() != 0o600 {
			s.t.Errorf("%s has mode %o", path, info.Mode().Perm())
		}
		s.answers = append(s.answers, seen{"the file " + path, string(content), allowed})
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// check looks for every secret in everything that was seen.
func (s *session) check() {
	s.t.Helper()
	found := map[string]int{}
	for _, a := range s.answers {
		a.text += html.UnescapeString(a.text) // a page writes + as &#43;
		for name, secret := range s.secrets {
			if len(secret) < 12 {
				s.t.Fatalf("%s is too short to look for", name)
			}
			at := bytes.Index([]byte(a.text), []byte(secret))
			if at < 0 {
				continue
			}
			found[name]++
			if !slices.Contains(a.allowed, name) {
				s.t.Errorf("%s holds the %s: …%s…", a.what, name, strings.ToValidUTF8(a.text[max(0, at-80):min(len(a.text), at+20)], "?"))
			}
		}
	}
	for _, name := range []string{"secret", "service token", "encryption key", "API key", "Zapier key", "new Zapier key", "link", "session", "URL", "event"} {
		if found[name] == 0 {
			s.t.Errorf("the %s was seen nowhere: the test looks for the wrong thing", name)
		}
	}
}
