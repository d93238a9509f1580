package trace

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Headers are the headers of a message.
type Headers interface {
	Get(key string) string
	Set(key, value string)
}

// carrier makes headers what the propagator takes.
type carrier struct{ Headers }

// Keys implements propagation.TextMapCarrier. The propagator asks for names
// that it knows.
func (carrier) Keys() []string { return nil }

func extract(ctx context.Context, headers propagation.TextMapCarrier) context.Context {
	return propagation.TraceContext{}.Extract(ctx, headers)
}

// Inject writes the trace that ctx is in into the headers of a message, and
// nothing when it is in none.
func Inject(ctx context.Context, headers Headers) {
	if trace.SpanContextFromContext(ctx).IsValid() {
		propagation.TraceContext{}.Inject(ctx, carrier{headers})
	}
}

// From returns ctx in the trace that the headers of a message name, or as it is
// when they name none.
func From(ctx context.Context, headers Headers) context.Context {
	return extract(ctx, carrier{headers})
}
