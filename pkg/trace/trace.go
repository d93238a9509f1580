// Package trace follows an event through the services: OpenTelemetry spans, with
// their context in the headers of NATS messages and of HTTP requests, as W3C
// Trace Context writes it.
//
// It is the only package that knows OpenTelemetry, and everything that a span
// may hold is written here: ids, kinds and outcomes. No span holds a secret, a
// body, a phone number or a URL.
//
// Without tracing the Tracer is nil: its methods then do nothing, and allocate
// nothing.
package trace

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// Tracer begins spans. Safe for concurrent use.
type Tracer struct{ tracer trace.Tracer }

// New returns a tracer whose spans go to a provider.
func New(p trace.TracerProvider) *Tracer {
	return &Tracer{p.Tracer("github.com/dialnote/webhooks")}
}

// Span is one operation on an event. The zero Span records nothing.
type Span struct{ span trace.Span }

func (t *Tracer) start(ctx context.Context, name string, kind trace.SpanKind, attrs ...attribute.KeyValue) (context.Context, Span) {
	ctx, span := t.tracer.Start(ctx, name, trace.WithSpanKind(kind), trace.WithAttributes(attrs...))
	return ctx, Span{span}
}

// End ends the span.
func (s Span) End() {
	if s.span != nil {
		s.span.End()
	}
}

// Fail ends the span, as failed when there is an error. Its text stays in the
// log: it may quote what a span must not hold.
func (s Span) Fail(err error) {
	if s.span == nil {
		return
	}
	if err != nil {
		s.span.SetStatus(codes.Error, "")
	}
	s.span.End()
}

// Request begins the span of a request to the API, in the trace that it names when
// believes says that its caller may: who may name a trace can fill it.
func (t *Tracer) Request(r *http.Request, believes func(*http.Request) bool) (*http.Request, Span) {
	if t == nil {
		return r, Span{}
	}
	ctx := r.Context()
	if believes(r) {
		ctx = extract(ctx, propagation.HeaderCarrier(r.Header))
	}
	ctx, span := t.start(ctx, "request", trace.SpanKindServer)
	return r.WithContext(ctx), span
}

// Answered ends the span of a request. It is named by the route, since a path
// may hold anything.
func (s Span) Answered(method, route string, status int) {
	if s.span == nil {
		return
	}
	s.span.SetName(method + " " + route)
	s.span.SetAttributes(
		attribute.String("http.request.method", method), attribute.String("http.route", route), attribute.Int("http.response.status_code", status),
	)
	if status >= http.StatusInternalServerError {
		s.span.SetStatus(codes.Error, "")
	}
	s.span.End()
}

// Publish begins the span of storing an event.
func (t *Tracer) Publish(ctx context.Context, e event.Event) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	return t.start(ctx, "publish", trace.SpanKindProducer, attribute.String("messaging.system", "nats"), attribute.String("messaging.operation.type", "send"),
		attribute.String("dialnote.organization", e.OrganizationID), attribute.String("dialnote.event", e.ID), attribute.String("dialnote.event_type", string(e.Type)))
}

// Consume begins the span of handling a message, in the trace that its headers
// name. from is where it comes from: the stream, or a lane.
func (t *Tracer) Consume(ctx context.Context, from string, headers Headers) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	return t.start(From(ctx, headers), "consume "+from, trace.SpanKindConsumer,
		attribute.String("messaging.system", "nats"), attribute.String("messaging.operation.type", "process"), attribute.String("messaging.destination.name", from))
}

// Of says which event a span is about.
func (s Span) Of(e event.Event) {
	if s.span != nil {
		s.span.SetAttributes(attribute.String("dialnote.organization", e.OrganizationID), attribute.String("dialnote.event", e.ID), attribute.String("dialnote.event_type", string(e.Type)))
	}
}

// Match begins the span of finding the webhooks that an event goes to.
func (t *Tracer) Match(ctx context.Context) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	return t.start(ctx, "match", trace.SpanKindInternal)
}

// Matched ends the span of Match.
func (s Span) Matched(webhooks int, err error) {
	if s.span != nil {
		s.span.SetAttributes(attribute.Int("dialnote.webhooks", webhooks))
	}
	s.Fail(err)
}

// Attempt begins the span of the number-th request of a delivery. The request
// itself names no trace: receivers are strangers.
func (t *Tracer) Attempt(ctx context.Context, d *delivery.Delivery, provider webhook.Provider, number int) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	return t.start(ctx, "attempt", trace.SpanKindClient, attribute.String("dialnote.organization", d.OrganizationID), attribute.String("dialnote.event", d.EventID),
		attribute.String("dialnote.webhook", d.WebhookID), attribute.String("dialnote.delivery", d.ID), attribute.String("dialnote.provider", string(provider)), attribute.Int("dialnote.attempt", number))
}

// Attempted ends the span of Attempt. An attempt that was cut short has no
// outcome.
func (s Span) Attempted(o *delivery.Outcome) {
	if s.span == nil {
		return
	}
	s.span.SetAttributes(attribute.String("dialnote.result", string(o.Result)))
	if o.StatusCode > 0 {
		s.span.SetAttributes(attribute.Int("http.response.status_code", o.StatusCode))
	}
	if o.Result != delivery.Succeeded {
		s.span.SetAttributes(attribute.String("dialnote.reason", string(o.Reason)))
		s.span.SetStatus(codes.Error, string(o.Reason))
	}
	s.span.End()
}

// Record begins the span from an outcome to its commit.
func (t *Tracer) Record(ctx context.Context) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	return t.start(ctx, "record", trace.SpanKindInternal)
}
