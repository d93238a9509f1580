// Package ops is what an operator sees of a service: its log, its metrics and
// its health.
package ops

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/dialnote/webhooks/pkg/config"
	"github.com/dialnote/webhooks/pkg/trace"
)

// NewLogger returns the service's logger, in the format and from the level of
// the settings. Lines about a traced event or request name its trace.
func NewLogger(w io.Writer, s config.Settings, service, version string) *slog.Logger {
	opts := &slog.HandlerOptions{Level: s.LogLevel}
	var h slog.Handler = slog.NewJSONHandler(w, opts)
	if s.LogFormat == "text" {
		h = slog.NewTextHandler(w, opts)
	}
	return slog.New(trace.LogHandler(h)).With(slog.String("service", service), slog.String("version", version))
}

// NewRegistry returns a registry of the service's own, with the metrics of the
// Go runtime and the process.
func NewRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// Check reports what is wrong with a part the service needs, nil for nothing.
type Check func(context.Context) error

// Health knows whether a service is ready: it has started, is not stopping, and
// every part it needs answers. Safe for concurrent use.
type Health struct {
	mu     sync.RWMutex
	state  string // why it is not ready, apart from the checks; "" for no such reason
	checks map[string]Check
}

// NewHealth returns the health of a service that is still starting.
func NewHealth() *Health {
	return &Health{state: "starting", checks: map[string]Check{}}
}

// Add adds a part by name.
func (h *Health) Add(name string, check Check) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checks[name] = check
}

// Started makes the service ready, as far as its parts answer.
func (h *Health) Started() { h.set("") }

// Stopping makes the service not ready: it takes no more work.
func (h *Health) Stopping() { h.set("stopping") }

func (h *Health) set(state string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.state = state
}

// Ready returns what is wrong by the name of the part, an empty map when the
// service is ready. It checks every part, each for at most two seconds.
func (h *Health) Ready(ctx context.Context) map[string]error {
	const patience = 2 * time.Second
	h.mu.RLock()
	defer h.mu.RUnlock()
	wrong := map[string]error{}
	if h.state != "" {
		wrong["service"] = errors.New(h.state)
	}
	var (
		mu sync.Mutex
		wg sync.WaitGroup
	)
	for name, check := range h.checks {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			if err := check(ctx); err != nil {
				mu.Lock()
				defer mu.Unlock()
				wrong[name] = err
			}
		})
	}
	wg.Wait()
	return wrong
}

// Handler serves /livez, /readyz and /metrics. /livez answers 200 for as long
// as the process can answer; /readyz names each part that is away and answers
// 503 until none is.
func Handler(h *Health, gatherer prometheus.Gatherer) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "ok\n")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		wrong := h.Ready(r.Context())
		if len(wrong) == 0 {
			_, _ = io.WriteString(w, "ok\n")
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		for name, err := range wrong {
			_, _ = fmt.Fprintf(w, "%s: %v\n", name, err)
		}
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(gatherer, promhttp.HandlerOpts{}))
	return mux
}

// Serve serves handler on a listener until ctx ends, then lets requests finish
// for at most grace. It bounds what clients may cost: the connections, 32 KiB of
// headers, which must come within 5 seconds, and a body that comes within 30,
// unless the handler allows more. A request whose body the handler does not read is
// answered before the body has come. Every response has the safe headers.
func Serve(ctx context.Context, l net.Listener, c *Connections, handler http.Handler, grace time.Duration) error {
	srv := newServer(handler)
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(listener{l, c}) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		_ = srv.Close()
	}
	return nil
}

func newServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handle(safely(handler)),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       bodyTime,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ConnContext:       connContext,
	}
}
