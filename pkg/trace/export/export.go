// Package export sends spans where the OTEL_* variables of the environment say,
// by OTLP.
package export

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/dialnote/webhooks/pkg/trace"
)

// flushWithin bounds how long a stop waits for the last spans to be sent.
const flushWithin = 5 * time.Second

// wanted reports whether the environment asks for spans: it names an exporter
// that is not "none", or an endpoint, and does not disable the SDK.
func wanted(environ map[string]string) bool {
	if strings.EqualFold(environ["OTEL_SDK_DISABLED"], "true") {
		return false
	}
	if exporter := environ["OTEL_TRACES_EXPORTER"]; exporter != "" {
		return exporter == "otlp"
	}
	return environ["OTEL_EXPORTER_OTLP_ENDPOINT"] != "" || environ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] != ""
}

// Open returns the tracer of a service, nil when the environment asks for none,
// and what sends the last spans and ends it. It does not wait for a connection: a
// collector that is away costs some spans and nothing else. environ is the process's own
// environment, whose OTEL_* variables say all: endpoint, protocol (http/protobuf
// or grpc), headers, sampler, batches, resource.
func Open(ctx context.Context, environ map[string]string, service, version string, log *slog.Logger) (t *trace.Tracer, stop func(), err error) {
	if !wanted(environ) {
		return nil, func() {}, nil
	}
	client, err := newClient(environ)
	if err != nil {
		return nil, nil, err
	}
	exporter, err := otlptrace.New(ctx, client)
	if err != nil {
		return nil, nil, fmt.Errorf("make the exporter of spans: %w", err)
	}
	about, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "dialnote-"+service), attribute.String("service.version", version)),
		resource.WithHost(), resource.WithProcessPID(), resource.WithTelemetrySDK(),
		resource.WithFromEnv()) // last: OTEL_SERVICE_NAME wins
	if err != nil {
		return nil, nil, fmt.Errorf("say whose spans they are: %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		log.Warn("spans were not sent", slog.Any("error", err))
	}))
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))
	return trace.New(provider), func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushWithin)
		defer cancel()
		if err := provider.Shutdown(ctx); err != nil {
			log.Warn("the last spans were not sent", slog.Any("error", err))
		}
	}, nil
}

func newClient(environ map[string]string) (otlptrace.Client, error) {
	protocol := environ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"]
	if protocol == "" {
		protocol = environ["OTEL_EXPORTER_OTLP_PROTOCOL"]
	}
	switch protocol {
	case "", "http/protobuf":
		return otlptracehttp.NewClient(), nil
	case "grpc":
		return otlptracegrpc.NewClient(), nil
	}
	return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL %q: it is http/protobuf or grpc", protocol)
}
