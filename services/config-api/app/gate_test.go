package app_test

import (
	"context"
	"net"
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dialnote/webhooks/pkg/ops"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/config-api/app"
)

func TestGateWaitsServesAndDrains(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.health = ops.NewHealth() // of a service that is still starting
	gate := app.NewGate(s.health, prometheus.NewRegistry())
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- gate.Run(ctx, l, ops.NewConnections("connections", nil), 0) }()
	s.url = "http://" + l.Addr().String()
	s.document = nil // until it is open, what answers is not the API

	if r := s.do(t, call{path: webhooks}); r.status != http.StatusServiceUnavailable || r.header.Get("Retry-After") == "" {
		t.Errorf("before it is open: %d %v", r.status, r.header)
	}
	s.do(t, call{path: "/readyz"}).want(t, http.StatusServiceUnavailable)
	s.do(t, call{path: "/livez"}).want(t, http.StatusOK)

	deps := s.dependencies()
	slow := slowStore{Store: deps.Store, entered: make(chan struct{}), open: make(chan struct{})}
	deps.Store = slow
	a, err := app.New(app.Config{APITokens: "a:" + token, MaxWebhooks: 1}, deps)
	if err != nil {
		t.Fatal(err)
	}
	gate.Open(a.Handler())
	s.health.Started()
	s.do(t, call{path: "/readyz"}).want(t, http.StatusOK)

	answered := make(chan int, 1)
	go func() { answered <- s.do(t, call{path: webhooks}).status }()
	<-slow.entered
	stop()
	select {
	case err := <-ended:
		t.Fatalf("it ended with a request under way: %v", err)
	case <-stopping(t, s.health):
	}
	close(slow.open)
	if status := <-answered; status != http.StatusOK {
		t.Errorf("the request under way answered %d", status)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// While the service drains it serves one more request on each connection.
func TestGateServesThoseWhoHaveNotHeard(t *testing.T) {
	t.Parallel()
	s := start(t)
	gate := app.NewGate(s.health, prometheus.NewRegistry())
	gate.Open(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	drained, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- gate.RunUntil(ctx, l, drained) }()
	ask := func() (status int, last bool, err error) { // last: the answer ends its connection
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+l.Addr().String()+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := (&http.Client{Transport: &http.Transport{}}).Do(r)
		if err != nil {
			return 0, false, err
		}
		return resp.StatusCode, resp.Close, resp.Body.Close()
	}
	if status, last, err := ask(); err != nil || last {
		t.Fatalf("%d, %t, %v", status, last, err)
	}
	stop()
	<-stopping(t, s.health)
	if status, last, err := ask(); err != nil || status != http.StatusNoContent || !last {
		t.Errorf("while it drains: %d, %t, %v", status, last, err)
	}
	close(drained)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, _, err := ask(); err == nil {
		t.Error("it still takes requests")
	}
}

// stopping returns a channel that is closed once the service says it stops.
func stopping(t *testing.T, h *ops.Health) <-chan struct{} {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for t.Context().Err() == nil && h.Ready(t.Context())["service"] == nil {
		}
	}()
	return done
}

type slowStore struct {
	app.Store
	entered, open chan struct{}
}

func (s slowStore) List(ctx context.Context, organizationID string, page store.Page) ([]webhook.Webhook, string, error) {
	close(s.entered)
	<-s.open
	return s.Store.List(ctx, organizationID, page)
}
