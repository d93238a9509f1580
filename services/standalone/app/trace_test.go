package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/config"
	"github.com/dialnote/webhooks/pkg/ops"
	"github.com/dialnote/webhooks/pkg/trace/tracetest"
	"github.com/dialnote/webhooks/services/hooklab/receiver"
	"github.com/dialnote/webhooks/services/standalone/app"
)

// One trace holds an event's whole way: from the publisher's request, over NATS and
// the wait of a retry, to the record of the last attempt.
func TestAnEventIsOneTrace(t *testing.T) {
	t.Parallel()
	const caller, callersSpan = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	tracer, spans := tracetest.New(t)
	log := &lines{}
	s := startWith(t, app.Options{Tracer: tracer, Log: ops.NewLogger(log, config.Settings{LogFormat: "json"}, "standalone", "test")})
	s.receiver.Set("/hook", receiver.Statuses(http.StatusBadRequest, http.StatusOK))
	made := s.call(t, http.MethodPost, "acme/webhooks", map[string]any{
		"name": "CRM", "provider": "custom", "url": s.receiverURL + "/hook?key=urlcanary", "event": "call.completed", "headers": map[string]string{"X-Key": "headercanary"},
	}, http.StatusCreated)
	s.post(t, s.Token(), "acme/events", `{"id":"evt_1","type":"call.completed","data":{"callSid":"datacanary","direction":"inbound","phoneNumber":"+15551234567","status":"completed","duration":180}}`,
		"00-"+caller+"-"+callersSpan+"-01")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.receiver.WaitCount(ctx, "/hook", 2); err != nil {
		t.Fatal(err)
	}
	s.stop() // all spans have ended then

	var got []string
	byID := map[string]tracetest.Span{}
	all := spans.All()
	for _, span := range all {
		byID[span.ID] = span
	}
	for _, span := range all {
		if span.Trace != caller {
			continue
		}
		above := "the caller's"
		if span.Parent != callersSpan {
			above = byID[span.Parent].Name
		}
		line := fmt.Sprintf("%s %s under %s", span.Kind, span.Name, above)
		for _, key := range []string{"dialnote.attempt", "dialnote.result", "dialnote.reason", "http.response.status_code", "dialnote.webhooks"} {
			if value, has := span.Attributes[key]; has {
				line += " " + value
			}
		}
		got = append(got, line)
	}
	want := []string{
		"server POST /v1/organizations/:org/events under the caller's 202",
		"producer publish under POST /v1/organizations/:org/events",
		"consumer consume DIALNOTE_EVENTS under publish",
		"internal match under consume DIALNOTE_EVENTS 1",
		"client attempt under consume DIALNOTE_EVENTS 1 failed client_error 400",
		"internal record under consume DIALNOTE_EVENTS",
		"consumer consume DIALNOTE_LANES under consume DIALNOTE_EVENTS",
		"client attempt under consume DIALNOTE_LANES 2 succeeded 200",
		"internal record under consume DIALNOTE_LANES",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	secret, _ := made["secret"].(string)
	holdsNothingSecret(t, all, secret, "urlcanary", "headercanary", "datacanary", "5551234567", s.receiverURL, s.Token())
	log.name(t, caller, "request")
}

// Only the platform's back ends name a trace: whoever has an organization's key
// begins one of its own.
func TestATraceIsBelievedFromServiceTokensOnly(t *testing.T) {
	t.Parallel()
	const forged, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	tracer, spans := tracetest.New(t)
	s := startWith(t, app.Options{Tracer: tracer, Log: ops.NewLogger(&lines{}, config.Settings{LogFormat: "json"}, "standalone", "test")})
	key, _ := s.call(t, http.MethodPost, "acme/api-keys", map[string]any{"name": "program"}, http.StatusCreated)["key"].(string)
	for name, token := range map[string]string{"a key": key, "nothing": "", "a wrong token": "wrong-token-0123456789"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+"/v1/organizations/acme/webhooks", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("traceparent", "00-"+forged+"-"+parent+"-01")
		resp, err := (&http.Client{}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if (resp.StatusCode == http.StatusOK) != (token == key) {
			t.Errorf("with %s it answered %d", name, resp.StatusCode)
		}
	}
	s.stop()
	requests := 0
	for _, span := range spans.All() {
		if span.Trace == forged || span.Parent == parent {
			t.Errorf("a forged trace was believed: %+v", span)
		}
		if strings.HasPrefix(span.Name, "GET /v1/organizations/:org/webhooks") {
			requests++
		}
	}
	if requests != 3 {
		t.Errorf("there are %d spans of the requests, want 3", requests)
	}
}

// post posts to the API with the trace of a caller.
func (s *system) post(t *testing.T, token, path, body, traceparent string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+"/v1/organizations/"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("traceparent", traceparent)
	resp, err := (&http.Client{Timeout: 30 * time.Second}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted {
		t.Fatalf("publishing answered %d", resp.StatusCode)
	}
}

func holdsNothingSecret(t *testing.T, spans []tracetest.Span, canaries ...string) {
	t.Helper()
	for _, span := range spans {
		text := fmt.Sprint(span)
		for _, canary := range canaries {
			if canary == "" || strings.Contains(text, canary) {
				t.Errorf("a span holds %q: %s", canary, text)
			}
		}
	}
}

// lines are a log, line by line.
type lines struct {
	mu  sync.Mutex
	all bytes.Buffer
}

// Write implements io.Writer.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

// name checks that a line with this message names a trace and a span.
func (l *lines) name(t *testing.T, trace, message string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.all.String()) {
		var entry struct {
			Msg     string `json:"msg"`
			TraceID string `json:"trace_id"`
			SpanID  string `json:"span_id"`
		}
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == message && entry.TraceID == trace && len(entry.SpanID) == 16 {
			return
		}
	}
	t.Errorf("no line %q names the trace %s:\n%s", message, trace, l.all.String())
}
