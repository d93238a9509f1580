package trace

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/trace"
)

// Names of the attributes that a log line of a traced event has, as
// OpenTelemetry recommends for logs in other formats.
const (
	logTrace = "trace_id"
	logSpan  = "span_id"
)

// handler adds to each line the trace that it belongs to.
type handler struct{ slog.Handler }

// LogHandler returns a handler that adds trace_id and span_id to lines that are
// written with a context in a trace, and hands them on.
func LogHandler(h slog.Handler) slog.Handler { return handler{h} }

// Handle implements slog.Handler.
func (h handler) Handle(ctx context.Context, r slog.Record) error {
	if c := trace.SpanContextFromContext(ctx); c.IsValid() {
		r = r.Clone()
		r.AddAttrs(slog.String(logTrace, c.TraceID().String()), slog.String(logSpan, c.SpanID().String()))
	}
	return h.Handler.Handle(ctx, r) //nolint:wrapcheck // a handler around a handler
}

// WithAttrs implements slog.Handler.
func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h handler) WithGroup(name string) slog.Handler { return handler{h.Handler.WithGroup(name)} }
