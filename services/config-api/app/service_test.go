package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/config-api/app"
)

func TestReadinessNamesWhatIsAway(t *testing.T) {
	t.Parallel()
	s := start(t)
	if r := s.do(t, call{path: "/readyz", token: "-"}).want(t, http.StatusOK); string(r.text) != `{"away":[],"status":"ready"}` {
		t.Errorf("ready: %s", r.text)
	}
	s.health.Add("nats", func(context.Context) error { return errors.New("connection refused at 10.1.2.3") })
	if r := s.do(t, call{path: "/readyz", token: "-"}).want(t, http.StatusServiceUnavailable); string(r.text) != `{"away":["nats"],"status":"unready"}` {
		t.Errorf("NATS away: %s", r.text)
	}
	s.do(t, call{path: "/livez", token: "-"}).want(t, http.StatusOK)
}

func TestAddressesThatDoNotExist(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, path := range []string{"/", "/v1", "/v2/organizations/acme/webhooks", webhooks + "/", "/docs/", "/v1/organizations//webhooks"} {
		s.do(t, call{path: path}).problem(t, http.StatusNotFound)
	}
	r := s.do(t, call{method: http.MethodPut, path: webhooks})
	if p := r.problem(t, http.StatusMethodNotAllowed); p.Type != "urn:dialnote:problem:method-not-allowed" {
		t.Errorf("got %+v", p)
	}
	for _, method := range []string{"GET", "HEAD", "POST"} {
		if !strings.Contains(r.header.Get("Allow"), method) {
			t.Errorf("Allow is %q without %s", r.header.Get("Allow"), method)
		}
	}
	if r := s.do(t, call{method: http.MethodHead, path: webhooks}).want(t, http.StatusOK); len(r.text) > 0 {
		t.Errorf("HEAD answered a body: %s", r.text)
	}
}

func TestRequestIDs(t *testing.T) {
	t.Parallel()
	s := start(t)
	for given, keep := range map[string]bool{
		"abc-123_x.Y": true, strings.Repeat("a", 128): true,
		"": false, strings.Repeat("a", 129): false, "a b": false, `a"b`: false, "a\tb": false, "é": false,
	} {
		got := s.do(t, call{path: webhooks, header: map[string]string{"X-Request-Id": given}}).header.Get("X-Request-Id")
		if keep != (got == given) || got == "" {
			t.Errorf("%q became %q", given, got)
		}
	}
}

func TestSecurityHeaders(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, path := range []string{webhooks, "/nowhere", "/docs", "/openapi.json", "/metrics", "/docs/style.css"} {
		h := s.do(t, call{path: path}).header
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") == "" || !strings.HasPrefix(h.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: %v", path, h)
		}
		for _, name := range []string{"Permissions-Policy", "X-Frame-Options", "Cross-Origin-Resource-Policy"} {
			if h.Get(name) == "" {
				t.Errorf("%s: no %s", path, name)
			}
		}
		if strings.HasPrefix(path, "/v1/") != (h.Get("Cache-Control") == "no-store") {
			t.Errorf("%s: Cache-Control %q", path, h.Get("Cache-Control"))
		}
	}
}

func TestDocumentationShowsEveryOperation(t *testing.T) {
	t.Parallel()
	s := start(t)
	page := string(s.do(t, call{path: "/docs", token: "-"}).want(t, http.StatusOK).text)
	for _, op := range s.document.Operations() {
		for _, part := range []string{`<article id="` + op.ID + `">`, `href="#` + op.ID + `"`} {
			if !strings.Contains(page, part) {
				t.Errorf("%s: %s is not in the page", op.ID, part)
			}
		}
	}
	for _, forbidden := range []string{"<script", "style=", "<style", "onclick", "http-equiv", "&lt;nil&gt;", "%!", "<nil>"} {
		if strings.Contains(page, forbidden) {
			t.Errorf("%s is in the page", forbidden)
		}
	}
	if css := s.do(t, call{path: "/docs/style.css", token: "-"}).want(t, http.StatusOK); !strings.Contains(css.header.Get("Content-Type"), "text/css") {
		t.Errorf("content type %q", css.header.Get("Content-Type"))
	}
}

func TestTheServedDocumentIsTheSource(t *testing.T) {
	t.Parallel()
	s := start(t)
	o := s.do(t, call{path: "/openapi.json", token: "-"}).want(t, http.StatusOK).object(t)
	paths, _ := o["paths"].(map[string]any)
	if o["openapi"] != "3.1.0" || len(paths) == 0 {
		t.Errorf("got %v with %d paths", o["openapi"], len(paths))
	}
}

func TestMetricsHaveBoundedLabels(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := s.create(t)
	s.do(t, call{path: webhooks + "/" + id})
	s.do(t, call{path: "/secret-organization/" + id})
	s.do(t, call{method: "BREW", path: webhooks})
	text := string(s.do(t, call{path: "/metrics", token: "-"}).want(t, http.StatusOK).text)
	for _, line := range []string{
		`dialnote_api_requests_total{method="POST",route="/v1/organizations/:org/webhooks",status="201"} 1`,
		`dialnote_api_requests_total{method="GET",route="/v1/organizations/:org/webhooks/:id",status="200"} 1`,
		`dialnote_api_requests_total{method="GET",route="unmatched",status="404"} 1`,
		`dialnote_api_requests_total{method="other",`,
	} {
		if !strings.Contains(text, line) {
			t.Errorf("no %s in\n%s", line, text)
		}
	}
	for _, leak := range []string{id, "acme", "secret-organization", "BREW"} {
		if strings.Contains(text, leak) {
			t.Errorf("%q is a label", leak)
		}
	}
}

func TestOneLogLineForEachRequest(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.do(t, call{method: http.MethodPost, path: webhooks + "?x=1", body: good, header: map[string]string{"X-Request-Id": "trace-1"}})
	var line map[string]any
	lines := strings.Split(strings.TrimSpace(s.log.String()), "\n")
	if len(lines) != 1 {
		t.Fatalf("%d lines: %s", len(lines), lines)
	}
	if err := json.Unmarshal([]byte(lines[0]), &line); err != nil {
		t.Fatal(err)
	}
	for field, want := range map[string]any{
		"msg": "request", "level": "INFO", "requestId": "trace-1", "method": "POST", "status": 400.0,
		"route": "/v1/organizations/:org/webhooks", "org": "acme", "caller": "serviceToken:backend", "problem": "invalid-parameter",
	} {
		if line[field] != want {
			t.Errorf("%s is %v, want %v", field, line[field], want)
		}
	}
}

func TestAPanicAnswers500(t *testing.T) {
	t.Parallel()
	s := start(t)
	deps := s.dependencies()
	deps.Store = panics{deps.Store}
	r := s.serve(t, deps).do(t, call{path: webhooks})
	if r.problem(t, http.StatusInternalServerError); strings.Contains(string(r.text), "boom") {
		t.Errorf("the panic shows: %s", r.text)
	}
	if log := s.log.String(); !strings.Contains(log, "boom") || !strings.Contains(log, "service_test.go") {
		t.Errorf("the panic and its place are not in the log: %s", log)
	}
}

type panics struct{ app.Store }

func (panics) List(context.Context, string, store.Page) ([]webhook.Webhook, string, error) {
	panic("boom")
}
