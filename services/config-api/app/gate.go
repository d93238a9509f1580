package app

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dialnote/webhooks/pkg/ops"
)

// Gate serves while the service waits for the database and the broker: health and
// metrics as they are, and 503 for everything else. After Open it passes requests
// on to the service. Safe for concurrent use.
type Gate struct {
	health  *ops.Health
	waiting http.Handler
	open    atomic.Pointer[http.Handler]
}

// NewGate returns a closed gate.
func NewGate(health *ops.Health, gatherer prometheus.Gatherer) *Gate {
	mux := http.NewServeMux()
	known := ops.Handler(health, gatherer)
	for _, path := range []string{"/livez", "/readyz", "/metrics"} {
		mux.Handle(path, known)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(`{"type":"urn:dialnote:problem:starting","title":"Service Unavailable","status":503,` +
			`"detail":"The service is starting. Try again in a moment."}` + "\n"))
	})
	return &Gate{health: health, waiting: mux}
}

// Open passes requests on to handler from now on.
func (g *Gate) Open(handler http.Handler) { g.open.Store(&handler) }

// ServeHTTP implements http.Handler.
func (g *Gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if handler := g.open.Load(); handler != nil {
		(*handler).ServeHTTP(w, r)
		return
	}
	g.waiting.ServeHTTP(w, r)
}

// grace is how long Run waits for requests once it takes no new ones: a little
// more than the longest request may take.
const grace = 45 * time.Second

// Run serves on listener, whose connections c bounds, until ctx ends. Then the service is no longer ready, and
// goes on taking requests for the duration drain, because a load balancer or a
// browser with a connection learns of it a moment later. Each response closes its
// connection meanwhile, so that no client is about to use one when Run closes it.
// At last Run takes no new requests, and returns when those in progress are
// answered, within 45 seconds. It closes the listener.
func (g *Gate) Run(ctx context.Context, listener net.Listener, c *ops.Connections, drain time.Duration) error {
	return g.run(ctx, listener, c, func(late context.Context) {
		timer := time.NewTimer(drain)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-late.Done():
		}
	})
}

// run is Run with a function that waits for the drain, or until its context ends.
func (g *Gate) run(ctx context.Context, listener net.Listener, c *ops.Connections, drain func(context.Context)) error {
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	forget := context.AfterFunc(ctx, func() {
		g.health.Stopping()
		drain(serving)
		stop()
	})
	defer forget()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if ctx.Err() != nil {
			w.Header().Set("Connection", "close")
		}
		g.ServeHTTP(w, r)
	})
	if err := ops.Serve(serving, listener, c, handler, grace); err != nil {
		return fmt.Errorf("config API: %w", err)
	}
	return nil
}
