// Package tracetest keeps spans in memory, for tests.
package tracetest

import (
	"slices"
	"strings"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/dialnote/webhooks/pkg/trace"
)

// Span is a span that has ended.
type Span struct {
	Name, Kind      string
	Trace, ID       string // in hex
	Parent          string // its span's ID, "" for none
	Failed          bool
	Attributes      map[string]string
	beganNanosecond int64
}

// Spans are those that have ended so far.
type Spans struct{ exporter *tracetest.InMemoryExporter }

// New returns a tracer and what keeps its spans, all of them.
func New(tb testing.TB) (*trace.Tracer, *Spans) {
	tb.Helper()
	s := &Spans{tracetest.NewInMemoryExporter()}
	return trace.New(sdktrace.NewTracerProvider(sdktrace.WithSyncer(s.exporter), sdktrace.WithSampler(sdktrace.AlwaysSample()))), s
}

// All returns them in the order in which they began.
func (s *Spans) All() []Span {
	var list []Span
	for _, one := range s.exporter.GetSpans() {
		span := Span{
			Name: one.Name, Kind: strings.ToLower(one.SpanKind.String()), Trace: one.SpanContext.TraceID().String(), ID: one.SpanContext.SpanID().String(),
			Failed: one.Status.Code.String() == "Error", Attributes: map[string]string{}, beganNanosecond: one.StartTime.UnixNano(),
		}
		if one.Parent.SpanID().IsValid() {
			span.Parent = one.Parent.SpanID().String()
		}
		for _, a := range one.Attributes {
			span.Attributes[string(a.Key)] = a.Value.String()
		}
		list = append(list, span)
	}
	slices.SortStableFunc(list, func(a, b Span) int { return int(a.beganNanosecond - b.beganNanosecond) })
	return list
}
