package export_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/dialnote/webhooks/pkg/config"
	"github.com/dialnote/webhooks/pkg/trace/export"
)

// stub is a collector that keeps what it is sent.
type stub struct {
	collector.UnimplementedTraceServiceServer

	mu       sync.Mutex
	received []*collector.ExportTraceServiceRequest
	header   http.Header
}

// Export implements the collector's gRPC service.
func (s *stub) Export(_ context.Context, r *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.received = append(s.received, r)
	return &collector.ExportTraceServiceResponse{}, nil
}

// ServeHTTP is OTLP over HTTP.
func (s *stub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	request := &collector.ExportTraceServiceRequest{}
	if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, request) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	_, _ = s.Export(r.Context(), request)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.header = r.Header
}

// names returns the spans that came, each with the service that sent it.
func (s *stub) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, r := range s.received {
		for _, of := range r.GetResourceSpans() {
			service := ""
			for _, a := range of.GetResource().GetAttributes() {
				if a.GetKey() == "service.name" {
					service = a.GetValue().GetStringValue()
				}
			}
			for _, scope := range of.GetScopeSpans() {
				for _, span := range scope.GetSpans() {
					names = append(names, service+" "+span.GetName())
				}
			}
		}
	}
	return names
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// send opens the tracer that the environment says, makes a span, and stops.
func send(t *testing.T, environ map[string]string) {
	t.Helper()
	for name, value := range environ {
		t.Setenv(name, value) // the SDK reads the process's own
	}
	tracer, stop, err := export.Open(t.Context(), environ, "dispatcher", "1.2.3", quiet())
	if err != nil || tracer == nil {
		t.Fatal(tracer, err)
	}
	_, span := tracer.Match(t.Context())
	span.End()
	stop()
}

func TestSpansAreSentByHTTP(t *testing.T) {
	s := &stub{}
	srv := httptest.NewServer(s)
	defer srv.Close()
	send(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": srv.URL, "OTEL_EXPORTER_OTLP_HEADERS": "x-key=abc"})
	if got := s.names(); len(got) != 1 || got[0] != "dialnote-dispatcher match" || s.header.Get("X-Key") != "abc" {
		t.Errorf("%v %v", got, s.header)
	}
}

func TestSpansAreSentByGRPC(t *testing.T) {
	s := &stub{}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer()
	collector.RegisterTraceServiceServer(srv, s)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	defer func() { srv.Stop(); <-served }()
	send(t, map[string]string{
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://" + l.Addr().String(), "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_SERVICE_NAME": "renamed",
	})
	if got := s.names(); len(got) != 1 || got[0] != "renamed match" {
		t.Errorf("%v", got)
	}
}

// A sampler of the operator's is obeyed, and a collector that is away costs
// spans and nothing else.
func TestTheEnvironmentDecides(t *testing.T) {
	s := &stub{}
	srv := httptest.NewServer(s)
	send(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": srv.URL, "OTEL_TRACES_SAMPLER": "always_off"})
	if got := s.names(); len(got) != 0 {
		t.Errorf("%v", got)
	}
	srv.Close()
	var log bytes.Buffer
	t.Setenv("OTEL_TRACES_SAMPLER", "always_on")
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "100")
	environ := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": srv.URL}
	tracer, stop, err := export.Open(t.Context(), environ, "dispatcher", "1.2.3", slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	_, span := tracer.Match(t.Context())
	span.End()
	stop()
	if !bytes.Contains(log.Bytes(), []byte("not sent")) {
		t.Errorf("the log does not say it: %s", &log)
	}
}

func TestTracingIsOffUnlessAskedFor(t *testing.T) {
	t.Parallel()
	for _, environ := range []map[string]string{
		nil,
		{"OTEL_SERVICE_NAME": "x"},
		{"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"},
		{"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"},
		{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://127.0.0.1:4318"},
	} {
		tracer, stop, err := export.Open(t.Context(), environ, "x", "1", quiet())
		if tracer != nil || err != nil {
			t.Errorf("%v: %v, %v", environ, tracer, err)
		}
		stop()
	}
	for _, environ := range []map[string]string{{"OTEL_TRACES_EXPORTER": "otlp"}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}} {
		tracer, stop, err := export.Open(t.Context(), environ, "x", "1", quiet())
		if tracer == nil || err != nil {
			t.Errorf("%v: %v, %v", environ, tracer, err)
		}
		stop()
	}
	wrong := config.Environ([]string{"OTEL_TRACES_EXPORTER=otlp", "OTEL_EXPORTER_OTLP_PROTOCOL=http/json"})
	if _, _, err := export.Open(t.Context(), wrong, "x", "1", quiet()); err == nil {
		t.Error("http/json was taken")
	}
}
