package app_test

import (
	"context"
	"net/http"
	"net/netip"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/config-api/app"
	"github.com/dialnote/webhooks/services/config-api/internal/ratelimit"
)

// startLimited starts a config API with these limits.
func startLimited(t *testing.T, limits app.Limits) *system {
	t.Helper()
	s := start(t)
	return s.serveWith(t, app.Config{Limits: limits}, s.dependencies())
}

// wait returns the seconds of an answer's Retry-After, which a 429 must have.
func (r reply) wait(t *testing.T) time.Duration {
	t.Helper()
	if p := r.problem(t, http.StatusTooManyRequests); p.Type != "urn:dialnote:problem:rate-limited" {
		t.Errorf("the problem is %s", p.Type)
	}
	seconds, err := strconv.Atoi(r.header.Get("Retry-After"))
	if err != nil || seconds < 1 {
		t.Fatalf("Retry-After %q", r.header.Get("Retry-After"))
	}
	return time.Duration(seconds) * time.Second
}

func TestAnOrganizationsRequestsAreLimited(t *testing.T) {
	t.Parallel()
	s := startLimited(t, app.Limits{Organization: ratelimit.Limit{PerSecond: 0.5, Burst: 3}})
	for range 3 {
		s.do(t, call{path: webhooks}).want(t, http.StatusOK)
	}
	const event = `{"type":"note.created","data":{"noteId":"n1","conversationId":"c1","body":"Hi","authorId":"u1","createdAt":"2026-11-02T09:30:00Z"}}`
	for _, c := range []call{
		{path: webhooks},
		{method: http.MethodPost, path: events, body: event},
		{method: http.MethodPost, path: webhooks, body: good},
		{path: webhooks, token: otherToken}, // it acts for the same organization
	} {
		if wait := s.do(t, c).wait(t); wait != 2*time.Second {
			t.Errorf("%s %s: wait %s, want 2 s", c.method, c.path, wait)
		}
	}
	if len(s.queue.published) != 0 {
		t.Error("a refused event was published")
	}
	s.do(t, call{path: "/v1/organizations/other/webhooks"}).want(t, http.StatusOK)
	s.clock.advance(2 * time.Second)
	s.do(t, call{path: webhooks}).want(t, http.StatusOK)
	s.do(t, call{path: webhooks}).wait(t)
}

// A client that guesses keys has to wait; one with a good key at the same address
// does not.
func TestStrangersAreLimited(t *testing.T) {
	t.Parallel()
	s := startLimited(t, app.Limits{
		Address:        ratelimit.Limit{PerSecond: 1, Burst: 2},
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	})
	from := func(addr string) map[string]string { return map[string]string{"X-Forwarded-For": addr} }
	for _, token := range []string{"-", "wrong-token-0123456789"} {
		s.do(t, call{path: webhooks, token: token, header: from("198.51.100.7")}).problem(t, http.StatusUnauthorized)
	}
	if wait := s.do(t, call{path: webhooks, token: "wrong-token-9876543210", header: from("198.51.100.7")}).wait(t); wait != time.Second {
		t.Errorf("wait %s", wait)
	}
	s.do(t, call{path: webhooks, header: from("198.51.100.7")}).want(t, http.StatusOK)
	s.do(t, call{path: webhooks, token: "-", header: from("198.51.100.8")}).problem(t, http.StatusUnauthorized)
	s.do(t, call{path: "/livez", token: "-", header: from("198.51.100.7")}).want(t, http.StatusOK)
	s.clock.advance(time.Second)
	s.do(t, call{path: webhooks, token: "-", header: from("198.51.100.7")}).problem(t, http.StatusUnauthorized)
}

func TestThePageIsLimitedByAddress(t *testing.T) {
	t.Parallel()
	s := startLimited(t, app.Limits{Organization: ratelimit.Limit{PerSecond: 1, Burst: 2}})
	for range 2 {
		if r := s.do(t, call{path: "/portal/", token: "-"}); r.status == http.StatusTooManyRequests {
			t.Fatal("the page is refused at once")
		}
	}
	if wait := s.do(t, call{path: "/portal/", token: "-"}).wait(t); wait != time.Second {
		t.Errorf("wait %s", wait)
	}
	s.do(t, call{path: webhooks}).want(t, http.StatusOK)
}

func TestHeadersOfThePage(t *testing.T) {
	t.Parallel()
	s := start(t)
	const page = "/portal/anything"
	for name, tt := range map[string]struct {
		hosts     []string
		ancestors string
		frame     string
	}{
		"embedded nowhere":  {nil, "frame-ancestors 'none'", "DENY"},
		"embedded by hosts": {[]string{"https://app.dialnote.example", "*.example.org"}, "frame-ancestors https://app.dialnote.example *.example.org", ""},
	} {
		deps := s.dependencies()
		h := s.serveWith(t, app.Config{EmbedHosts: tt.hosts}, deps).do(t, call{path: page}).header
		want := "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; " +
			"form-action 'self'; base-uri 'none'; " + tt.ancestors
		if got := h.Get("Content-Security-Policy"); got != want {
			t.Errorf("%s: policy\n%s, want\n%s", name, got, want)
		}
		if h.Get("X-Frame-Options") != tt.frame || h.Get("Referrer-Policy") != "same-origin" || h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", name, h)
		}
	}
}

func TestStrictTransportOverHTTPS(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, proto := range []string{"", "http", "https"} {
		h := s.do(t, call{path: "/docs", header: map[string]string{"X-Forwarded-Proto": proto}}).header
		if got := h.Get("Strict-Transport-Security"); (got != "") != (proto == "https") {
			t.Errorf("over %q: %q", proto, got)
		}
	}
}

// heldStore holds up the lists of one organization.
type heldStore struct {
	app.Store
	entered atomic.Int64
	release chan struct{}
}

func (s *heldStore) List(ctx context.Context, organizationID string, page store.Page) ([]webhook.Webhook, string, error) {
	if organizationID == "acme" {
		s.entered.Add(1)
		<-s.release
	}
	return s.Store.List(ctx, organizationID, page)
}

// One organization has more requests made than are worked on at once: those of others
// are answered meanwhile, and its own one after the other.
func TestAnOrganizationsRequestsLeavePlacesToOthers(t *testing.T) {
	t.Parallel()
	const many, share = 300, 64
	s := start(t)
	deps := s.dependencies()
	held := &heldStore{Store: s.store, release: make(chan struct{})}
	deps.Store = held
	s = s.serve(t, deps)
	answered := make(chan int, many)
	for range many {
		go func() { answered <- s.do(t, call{path: webhooks}).status }()
	}
	gauge := func(name, of string) float64 {
		families, err := deps.Registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, family := range families {
			for _, m := range family.GetMetric() {
				if family.GetName() == name && m.GetLabel()[0].GetValue() == of {
					return m.GetGauge().GetValue()
				}
			}
		}
		t.Fatalf("there is no %s of %s", name, of)
		return 0
	}
	until(t, func() bool { // its requests have its share, and the others wait
		waiting := gauge("dialnote_shared_waiting", "answer_bytes") + gauge("dialnote_shared_waiting", "requests")
		return held.entered.Load() == share && waiting == many-share
	})
	for range 20 {
		s.do(t, call{path: "/v1/organizations/other/webhooks"}).want(t, http.StatusOK)
		s.do(t, call{path: "/portal/", token: "-"}).want(t, http.StatusUnauthorized)
	}
	if n := held.entered.Load(); n != share {
		t.Errorf("%d of its requests were worked on, want %d", n, share)
	}
	close(held.release)
	for range many {
		if status := <-answered; status != http.StatusOK {
			t.Errorf("a request that waited answered %d", status)
		}
	}
	if used := gauge("dialnote_shared_used", "requests") + gauge("dialnote_shared_used", "answer_bytes"); used != 0 {
		t.Errorf("%v are taken at the end", used)
	}
}
