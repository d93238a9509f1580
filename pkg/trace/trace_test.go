package trace_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/nats-io/nats.go" //nolint:depguard // the headers that messages have

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/trace"
	"github.com/dialnote/webhooks/pkg/trace/tracetest"
	"github.com/dialnote/webhooks/pkg/webhook"
)

func always(*http.Request) bool { return true }

// followed is what the services do with a tracer for one event.
func followed(ctx context.Context, t *trace.Tracer, r *http.Request, header nats.Header, d *delivery.Delivery) {
	r, request := t.Request(r, always)
	ctx, publish := t.Publish(ctx, event.Event{ID: d.EventID, OrganizationID: d.OrganizationID})
	trace.Inject(ctx, header)
	publish.Fail(nil)
	request.Answered(r.Method, "/x", http.StatusOK)
	ctx, consume := t.Consume(ctx, "DIALNOTE_EVENTS", header)
	consume.Of(event.Event{ID: d.EventID})
	ctx, match := t.Match(ctx)
	match.Matched(1, nil)
	ctx, attempt := t.Attempt(ctx, d, webhook.Custom, 1)
	attempt.Attempted(&delivery.Outcome{Result: delivery.Succeeded, StatusCode: 200})
	ctx, record := t.Record(ctx)
	record.Fail(nil)
	trace.Inject(ctx, header)
	consume.End()
}

// Without tracing, the tracer's methods allocate nothing.
func TestTracingCostsNothingWhenItIsOff(t *testing.T) {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	header, d, ctx := nats.Header{}, &delivery.Delivery{}, context.Background()
	var off *trace.Tracer
	if n := testing.AllocsPerRun(100, func() { followed(ctx, off, r, header, d) }); n != 0 {
		t.Errorf("following an event allocates %v times", n)
	}
	if len(header) > 0 {
		t.Errorf("headers were written: %v", header)
	}
	log := slog.New(trace.LogHandler(slog.DiscardHandler))
	if n := testing.AllocsPerRun(100, func() { log.InfoContext(ctx, "x") }); n != 0 {
		t.Errorf("a log line allocates %v times", n)
	}
}

func BenchmarkOff(b *testing.B) {
	r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "/", nil)
	if err != nil {
		b.Fatal(err)
	}
	header, d := nats.Header{}, &delivery.Delivery{}
	b.ReportAllocs()
	for b.Loop() {
		followed(b.Context(), nil, r, header, d)
	}
}

func TestHeadersCarryTheTrace(t *testing.T) {
	t.Parallel()
	tracer, spans := tracetest.New(t)
	header := nats.Header{}
	ctx, one := tracer.Consume(t.Context(), "A", header)
	trace.Inject(ctx, header)
	_, two := tracer.Consume(t.Context(), "B", header)
	two.End()
	one.End()
	header.Set("traceparent", "nonsense")
	_, three := tracer.Consume(t.Context(), "C", header)
	three.Fail(errors.New("no"))
	all := spans.All()
	if len(all) != 3 || all[1].Trace != all[0].Trace || all[1].Parent != all[0].ID {
		t.Fatalf("%+v", all)
	}
	if all[2].Trace == all[0].Trace || all[2].Parent != "" || !all[2].Failed || all[0].Failed {
		t.Errorf("%+v", all[2])
	}
}

func TestLogLinesNameTheTrace(t *testing.T) {
	t.Parallel()
	tracer, spans := tracetest.New(t)
	var text bytes.Buffer
	log := slog.New(trace.LogHandler(slog.NewTextHandler(&text, nil))).With(slog.String("service", "x"))
	log.InfoContext(t.Context(), "outside")
	ctx, span := tracer.Match(t.Context())
	log.WarnContext(ctx, "inside", slog.Int("n", 1))
	span.End()
	outside, inside, _ := strings.Cut(text.String(), "\n")
	if strings.Contains(outside, "trace_id") {
		t.Error(outside)
	}
	if want := "service=x n=1 trace_id=" + spans.All()[0].Trace + " span_id=" + spans.All()[0].ID; !strings.Contains(inside, want) {
		t.Errorf("%s lacks %s", inside, want)
	}
}
