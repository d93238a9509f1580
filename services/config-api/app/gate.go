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

// Gate answers while the service waits for the database and the broker: health
// and metrics as they are, everything else with 503. Open puts the service in
// its place. Safe for concurrent use.
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

// Open lets requests through to handler.
func (g *Gate) Open(handler http.Handler) { g.open.Store(&handler) }

// ServeHTTP answers, or hands the request on.
func (g *Gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if handler := g.open.Load(); handler != nil {
		(*handler).ServeHTTP(w, r)
		return
	}
	g.waiting.ServeHTTP(w, r)
}

// grace is how long requests may go on once Run was told to stop: a little
// more than the longest request may take.
const grace = 45 * time.Second

// Run serves on listener until ctx ends. Then the service is no longer ready,
// takes no new requests, and Run returns when the ones under way are answered,
// within 45 seconds. It closes the listener.
func (g *Gate) Run(ctx context.Context, listener net.Listener) error {
	stop := context.AfterFunc(ctx, g.health.Stopping)
	defer stop()
	if err := ops.Serve(ctx, listener, g, grace); err != nil {
		return fmt.Errorf("config API: %w", err)
	}
	return nil
}
