package app_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/ops"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/config-api/app"
	"github.com/dialnote/webhooks/services/config-api/internal/contract"
)

const changes = "/v1/organizations/acme/changes"

// watched are the watchers of organizations, and the notices sent.
type watched struct {
	mu      sync.Mutex
	hearers map[string]func(stream.Activity)
	notices []webhook.Notice
	noticed chan struct{} // when set, receives once for each notice
}

func (q *queue) WatchActivity(_ context.Context, org string, hear func(stream.Activity)) (func(), error) {
	q.mu.Lock()
	away := q.away
	q.mu.Unlock()
	if away != nil {
		return nil, fault.New(fault.Unavailable, "broker-unavailable", "Away.").Because(away)
	}
	w := &q.watched
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.hearers == nil {
		w.hearers = map[string]func(stream.Activity){}
	}
	w.hearers[org] = hear
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.hearers, org)
	}, nil
}

func (q *queue) Gaps(ctx context.Context, _ func()) error {
	<-ctx.Done()
	return nil
}

func (q *queue) Notify(_ context.Context, n webhook.Notice) error {
	w := &q.watched
	w.mu.Lock()
	defer w.mu.Unlock()
	w.notices = append(w.notices, n)
	if w.noticed != nil {
		w.noticed <- struct{}{}
	}
	return nil
}

// tell sends activity to the watcher of an organization.
func (q *queue) tell(org string, a stream.Activity) {
	q.watched.mu.Lock()
	hear := q.watched.hearers[org]
	q.watched.mu.Unlock()
	if hear != nil {
		hear(a)
	}
}

func (q *queue) changed(ids ...string) { q.tell("acme", stream.Activity{Webhooks: ids}) }

// feed is an open stream of changes.
type feed struct {
	lines    *bufio.Scanner
	header   http.Header
	promised contract.Response
	close    func()
}

// open opens a stream. Reading it fails the test after two minutes.
func (s *system) open(t *testing.T, path string) *feed {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := (&http.Client{Transport: &http.Transport{}}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	f := &feed{lines: bufio.NewScanner(resp.Body), header: resp.Header}
	f.close = sync.OnceFunc(func() { cancel(); _ = resp.Body.Close() })
	t.Cleanup(f.close)
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d", resp.StatusCode)
	}
	op := operationAt(s.document, http.MethodGet, path)
	f.promised = op.Responses[slices.IndexFunc(op.Responses, func(r contract.Response) bool { return r.Status == "200" })]
	return f
}

// next returns the next event, which the document must promise. Its name is ""
// at the end of the stream.
func (f *feed) next(t *testing.T) (name string, data map[string]any) {
	t.Helper()
	for f.lines.Scan() {
		field, value, _ := strings.Cut(f.lines.Text(), ": ")
		switch field {
		case "event":
			name = value
		case "data":
			if err := f.promised.CheckEvent(name, []byte(value)); err != nil {
				t.Errorf("%v: %s", err, value)
			}
			if err := json.Unmarshal([]byte(value), &data); err != nil {
				t.Fatal(err)
			}
		case "":
			if name != "" {
				return name, data
			}
		case "retry", ":":
		default:
			t.Errorf("unexpected line %q", f.lines.Text())
		}
	}
	return "", nil
}

// want checks the next event: its name, and this part of its data.
func (f *feed) want(t *testing.T, name string, part map[string]any) map[string]any {
	t.Helper()
	got, data := f.next(t)
	for key, value := range part {
		if !reflect.DeepEqual(data[key], value) {
			t.Fatalf("%s: %s is %v, want %v; all of it: %v", got, key, data[key], value, data)
		}
	}
	if got != name {
		t.Fatalf("event %q %v, want %q", got, data, name)
	}
	return data
}

// begun opens a stream and reads its first event.
func (s *system) begun(t *testing.T, path string) *feed {
	t.Helper()
	f := s.open(t, path)
	f.want(t, "resync", map[string]any{"reason": "connected"})
	return f
}

func TestChangesOfAWebhookAreSent(t *testing.T) {
	t.Parallel()
	s := start(t)
	f := s.begun(t, changes)
	if f.header.Get("Content-Type") != "text/event-stream" || f.header.Get("Cache-Control") != "no-store" || f.header.Get("X-Accel-Buffering") != "no" {
		t.Errorf("headers %v", f.header)
	}
	s.queue.set(map[string]int64{}, nil)
	id := s.create(t)
	s.queue.changed(id)
	sent := f.want(t, "webhook", map[string]any{"id": id, "changes": []any{"created"}})
	if read := s.do(t, call{path: webhooks + "/" + id}).object(t); !reflect.DeepEqual(sent["webhook"], read) {
		t.Errorf("sent %v, read %v", sent["webhook"], read)
	}
	s.queue.set(map[string]int64{id: 7}, nil)
	s.fail(t, id)
	s.queue.changed(id)
	sent = f.want(t, "webhook", map[string]any{"id": id, "changes": []any{"auto_disabled", "counts"}})
	if w, _ := sent["webhook"].(map[string]any); w["status"] != "auto_disabled" || w["heldEvents"] != 7.0 || w["failureCount"] != 3.0 {
		t.Errorf("sent %v", w)
	}
	s.do(t, call{method: http.MethodPost, path: webhooks + "/" + id + "/enable"}).want(t, http.StatusOK)
	s.queue.changed(id)
	f.want(t, "webhook", map[string]any{"id": id, "changes": []any{"enabled", "counts"}})
	s.do(t, call{method: http.MethodPatch, path: webhooks + "/" + id, body: `{"name":"Other"}`}).want(t, http.StatusOK)
	s.queue.changed(id)
	f.want(t, "webhook", map[string]any{"id": id, "changes": []any{"updated"}})
	s.do(t, call{method: http.MethodDelete, path: webhooks + "/" + id}).want(t, http.StatusNoContent)
	s.queue.changed(id)
	f.want(t, "webhook", map[string]any{"id": id, "changes": []any{"deleted"}, "webhook": nil})
}

func TestDeliveriesAreSentToWatchers(t *testing.T) {
	t.Parallel()
	s := start(t)
	f := s.begun(t, changes)
	at := time.Date(2026, 11, 23, 10, 0, 0, 250_000_000, time.UTC)
	id := "wh_01jd9v7q6w3k8m5n2p4r6t8v0x"
	s.queue.tell("acme", stream.Activity{Attempts: []stream.RecordedAttempt{
		{
			WebhookID: id, DeliveryID: delivery.ID(id, "evt_1"), EventID: "evt_1", EventType: event.NoteCreated,
			Status: delivery.StatusRetrying, Number: 2, Test: true, Reason: delivery.ReasonServerError, StatusCode: 503,
			StartedAt: at.Add(-84 * time.Millisecond), EndedAt: at,
		},
		{
			WebhookID: id, DeliveryID: delivery.ID(id, "evt_2"), EventID: "evt_2", EventType: event.CallCompleted,
			Status: delivery.StatusHeld, StartedAt: at, EndedAt: at,
		},
	}})
	got := f.want(t, "delivery", nil)
	if want := map[string]any{
		"webhookId": id, "deliveryId": delivery.ID(id, "evt_1"), "eventId": "evt_1", "eventType": "note.created",
		"status": "retrying", "attempt": 2.0, "test": true, "reason": "server_error", "statusCode": 503.0, "durationMs": 84.0,
		"at": "2026-11-23T10:00:00.25Z",
	}; !reflect.DeepEqual(got, want) {
		t.Errorf("sent %v, want %v", got, want)
	}
	got = f.want(t, "delivery", map[string]any{"status": "held", "attempt": 0.0, "durationMs": 0.0})
	if _, is := got["statusCode"]; is || len(got) != 9 {
		t.Errorf("sent %v", got)
	}
}

func TestOneOrganizationsChangesAreNotSentToAnother(t *testing.T) {
	t.Parallel()
	s := start(t)
	acme, other := s.begun(t, changes), s.begun(t, "/v1/organizations/other/changes")
	id := s.create(t)
	for _, org := range []string{"acme", "other", "Acme", "acm"} { // even an id in the wrong place shows nothing
		s.queue.tell(org, stream.Activity{Webhooks: []string{id}})
	}
	acme.want(t, "webhook", map[string]any{"id": id})
	at := time.Now()
	s.queue.tell("other", stream.Activity{Attempts: []stream.RecordedAttempt{{
		WebhookID: "wh_01jd9v7q6w3k8m5n2p4r6t8v0y", DeliveryID: delivery.ID("a", "b"), EventID: "evt_1", EventType: event.NoteCreated,
		Status: delivery.StatusDelivered, Number: 1, StatusCode: 200, StartedAt: at, EndedAt: at,
	}}})
	other.want(t, "delivery", map[string]any{"webhookId": "wh_01jd9v7q6w3k8m5n2p4r6t8v0y"}) // its first event
}

func TestStreamsAreRefused(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.do(t, call{path: changes, token: "-"}).problem(t, http.StatusUnauthorized)
	s.do(t, call{path: changes, token: "another-token-0123456789"}).problem(t, http.StatusUnauthorized)
	s.do(t, call{path: changes + "?since=1"}).problem(t, http.StatusBadRequest)
	s.do(t, call{path: "/v1/organizations/a.b/changes"}).problem(t, http.StatusNotFound)
	s.queue.set(nil, errAway)
	s.do(t, call{path: changes}).problem(t, http.StatusServiceUnavailable)
	s.queue.set(nil, nil)
	if r := s.do(t, call{method: http.MethodHead, path: changes}).want(t, http.StatusOK); r.header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("HEAD: %v", r.header)
	}
	var open []*feed
	for range 50 {
		open = append(open, s.begun(t, changes))
	}
	r := s.do(t, call{path: changes})
	if p := r.problem(t, http.StatusTooManyRequests); p.Type != "urn:dialnote:problem:too-many-streams" || r.header.Get("Retry-After") == "" {
		t.Errorf("got %+v, %v", p, r.header)
	}
	s.begun(t, "/v1/organizations/other/changes").close()
	open[0].close()
	until(t, func() bool { // the server notices in its own time
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+changes, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := (&http.Client{}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// until asks again and again.
func until(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(2 * time.Minute)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("it did not happen")
		}
	}
}

func TestAStreamOutlivesTheTimesOfARequest(t *testing.T) {
	t.Parallel()
	s := start(t)
	a, err := app.New(app.Config{APITokens: "backend:" + token, MaxWebhooks: 100}, s.dependencies())
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(a.Handler())
	srv.Config.ReadTimeout, srv.Config.WriteTimeout = 300*time.Millisecond, 300*time.Millisecond
	srv.Start()
	t.Cleanup(srv.Close)
	served := *s
	served.url = srv.URL
	f := served.begun(t, changes)
	for range 3 { // half a second lies between any two of them
		id := s.create(t)
		s.queue.changed(id)
		f.want(t, "webhook", map[string]any{"id": id, "changes": []any{"created"}})
	}
}

func TestStreamsEndWhenTheServiceStops(t *testing.T) {
	t.Parallel()
	s := start(t)
	deps := s.dependencies()
	a, err := app.New(app.Config{APITokens: "backend:" + token, MaxWebhooks: 100}, deps)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gate := app.NewGate(s.health, deps.Registry)
	gate.Open(a.Handler())
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	go func() { ended <- a.Run(ctx) }()
	go func() { ended <- gate.Run(ctx, listener, ops.NewConnections("connections", nil), 0) }()
	served := *s
	served.url = "http://" + listener.Addr().String()
	f := served.begun(t, changes)
	stop()
	if name, data := f.next(t); name != "" {
		t.Errorf("at the end: %s %v", name, data)
	}
	if err := f.lines.Err(); err != nil {
		t.Errorf("the stream was cut off: %v", err)
	}
	if err := errors.Join(<-ended, <-ended); err != nil {
		t.Error(err)
	}
}

func TestThePlatformGetsNoticesOfWhatPeopleDo(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.queue.watched.noticed = make(chan struct{}, 100)
	a, err := app.New(app.Config{APITokens: "backend:" + token, MaxWebhooks: 100, ZapierHosts: []string{"hooks.zapier.com"}}, s.dependencies())
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(a.Handler())
	t.Cleanup(srv.Close)
	served := *s
	served.url = srv.URL
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	id := served.create(t)
	served.fail(t, id) // in the database, as a dispatcher does
	served.do(t, call{method: http.MethodPost, path: webhooks + "/" + id + "/enable"}).want(t, http.StatusOK)
	served.do(t, call{method: http.MethodPost, path: webhooks + "/" + id + "/enable"}).want(t, http.StatusOK) // changes nothing
	served.do(t, call{method: http.MethodPatch, path: webhooks + "/" + id, body: `{"name":"Other"}`}).want(t, http.StatusOK)
	served.do(t, call{method: http.MethodDelete, path: webhooks + "/" + id}).want(t, http.StatusNoContent)
	served.do(t, call{method: http.MethodDelete, path: webhooks + "/" + id}).problem(t, http.StatusNotFound)
	for range 3 {
		select {
		case <-s.queue.watched.noticed:
		case <-time.After(2 * time.Minute):
			t.Fatal("a notice is missing")
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	kinds := map[string]webhook.NoticeKind{}
	for _, n := range s.queue.watched.notices {
		kinds[n.ID] = n.Kind
		if n.OrganizationID != "acme" || n.WebhookID != id || n.At.IsZero() {
			t.Errorf("notice %+v", n)
		}
	}
	if want := (map[string]webhook.NoticeKind{
		id + ".2.auto_disabled": webhook.NoticeAutoDisabled, id + ".3.enabled": webhook.NoticeEnabled, id + ".4.deleted": webhook.NoticeDeleted,
	}); !maps.Equal(kinds, want) {
		t.Errorf("noticed %v, want %v", kinds, want)
	}
	if left, err := s.store.PendingNotices(t.Context(), 10); err != nil || len(left) != 0 {
		t.Errorf("left %v, %v", left, err)
	}
}
