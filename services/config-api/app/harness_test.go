package app_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dialnote/webhooks/pkg/endpoint"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/ops"
	"github.com/dialnote/webhooks/pkg/secretbox"
	"github.com/dialnote/webhooks/pkg/store/sqlite"
	"github.com/dialnote/webhooks/pkg/store/storetest"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/config-api/app"
	"github.com/dialnote/webhooks/services/config-api/internal/api"
	"github.com/dialnote/webhooks/services/config-api/internal/contract"
)

const (
	token      = "test-token-0123456789"
	otherToken = "other-token-9876543210"
	webhooks   = "/v1/organizations/acme/webhooks"
	events     = "/v1/organizations/acme/events"
)

// system is a config API on a real store, with the queue recorded.
type system struct {
	url    string
	store  *sqlite.Store
	queue  *queue
	health *ops.Health
	log    *lockedBuffer
	clock  *clock
	box    secretbox.Box

	document *contract.Document
}

func start(t *testing.T) *system {
	t.Helper()
	box := storetest.Box(t)
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"), box)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	sys := &system{store: s, queue: &queue{}, health: ops.NewHealth(), log: &lockedBuffer{}, clock: &clock{now: time.Now()}, document: load(t), box: box}
	sys.health.Add("database", s.Ping)
	sys.health.Started()
	return sys.serve(t, sys.dependencies())
}

// dependencies are those of a config API on the system's parts.
func (s *system) dependencies() app.Dependencies {
	return app.Dependencies{
		Store: s.store, Stream: s.queue, Fleet: fleet{s.queue}, Box: s.box,
		CheckURL: endpoint.Policy{}.Check,
		Health:   s.health,
		Registry: prometheus.NewRegistry(),
		Now:      s.clock.Now,
		Log:      slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

// serve starts a config API on these dependencies and returns the system with
// its address.
func (s *system) serve(t *testing.T, deps app.Dependencies) *system {
	t.Helper()
	return s.serveWith(t, app.Config{}, deps)
}

// serveWith is serve with some of the configuration, to which the rest is added.
func (s *system) serveWith(t *testing.T, cfg app.Config, deps app.Dependencies) *system {
	t.Helper()
	cfg.APITokens = "backend:" + token + ",billing:" + otherToken
	cfg.MaxWebhooks = cmp.Or(cfg.MaxWebhooks, 100)
	cfg.ZapierHosts = []string{"hooks.zapier.com"}
	a, err := app.New(cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(a.Handler())
	t.Cleanup(srv.Close)
	served := *s
	served.url = srv.URL
	return &served
}

// call is one request. The zero method is GET; a string body is sent as JSON.
type call struct {
	method string
	path   string
	body   string
	header map[string]string
	token  string // the good one when empty, none when "-"
	reader io.Reader
}

// reply is an answer that was read.
type reply struct {
	status int
	header http.Header
	text   []byte
}

func (s *system) do(t *testing.T, c call) reply {
	t.Helper()
	body := c.reader
	if body == nil && c.body != "" {
		body = strings.NewReader(c.body)
	}
	if c.method == "" {
		c.method = http.MethodGet
	}
	r, err := http.NewRequestWithContext(t.Context(), c.method, s.url+c.path, body)
	if err != nil {
		t.Fatal(err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	switch c.token {
	case "":
		r.Header.Set("Authorization", "Bearer "+token)
	case "-":
	default:
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	for name, value := range c.header {
		if r.Header.Set(name, value); value == "" {
			r.Header.Del(name)
		}
	}
	resp, err := (&http.Client{}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	answer := reply{status: resp.StatusCode, header: resp.Header, text: text}
	kept(t, s.document, c, answer)
	return answer
}

func itoa(n int) string { return strconv.Itoa(n) }

// want fails the test unless the status is the one given.
func (r reply) want(t *testing.T, status int) reply {
	t.Helper()
	if r.status != status {
		t.Fatalf("status %d, want %d: %s", r.status, status, r.text)
	}
	return r
}

func (r reply) object(t *testing.T) map[string]any {
	t.Helper()
	var o map[string]any
	if err := json.Unmarshal(r.text, &o); err != nil {
		t.Fatalf("%v in %s", err, r.text)
	}
	return o
}

type problem struct {
	Quota     *api.ExceededQuota
	Type      string
	Title     string
	Status    int
	Detail    string
	Instance  string
	RequestID string
	Errors    []struct{ Pointer, Detail string }
}

// problem checks that the answer is a problem of this status and returns it.
func (r reply) problem(t *testing.T, status int) problem {
	t.Helper()
	r.want(t, status)
	if got := r.header.Get("Content-Type"); got != "application/problem+json" {
		t.Fatalf("content type %q of a problem", got)
	}
	var p problem
	if err := json.Unmarshal(r.text, &p); err != nil {
		t.Fatal(err)
	}
	if p.Status != status || p.Detail == "" || !strings.HasPrefix(p.Type, "urn:dialnote:problem:") ||
		p.RequestID == "" || p.RequestID != r.header.Get("X-Request-Id") {
		t.Fatalf("not a complete problem: %s", r.text)
	}
	return p
}

func (p problem) pointers() []string {
	list := make([]string, 0, len(p.Errors))
	for _, e := range p.Errors {
		list = append(list, e.Pointer)
	}
	return list
}

const good = `{"name":"CRM Call Sync","provider":"custom","url":"https://crm.example.com/hooks","event":"call.completed"}`

// create makes a webhook and returns its id.
func (s *system) create(t *testing.T) string {
	t.Helper()
	id, _ := s.do(t, call{method: http.MethodPost, path: webhooks, body: good}).want(t, http.StatusCreated).object(t)["id"].(string)
	return id
}

// fail makes a webhook one that was disabled automatically.
func (s *system) fail(t *testing.T, id string) {
	t.Helper()
	at := s.clock.Now()
	_, err := s.store.Update(t.Context(), storetest.By(), "acme", id, 0, func(w webhook.Webhook) (webhook.Webhook, error) {
		w.Health.FailureCount = 3
		w.Health.AutoDisabled = webhook.DisabledForFailures
		w.Health.LastError = &webhook.Failure{At: at, Reason: "server_error", Message: "Server answered 503 Service Unavailable", StatusCode: 503}
		return w, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// queue records what the API asks of NATS, in order, and can be away.
type queue struct {
	mu        sync.Mutex
	calls     []string
	published []event.Event
	held      map[string]int64
	away      error

	watched watched
}

func (q *queue) note(s string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.away != nil {
		return q.away
	}
	q.calls = append(q.calls, s)
	return nil
}

func (q *queue) Announce(c stream.Change) error {
	return q.note("announce " + c.OrganizationID + " " + c.WebhookID)
}

// fleet announces on its queue.
type fleet struct{ *queue }

func (f fleet) Announce(_ context.Context, c stream.Change) error {
	return f.note("announce " + c.OrganizationID + " " + c.WebhookID + " and wait")
}

func (q *queue) Discard(_ context.Context, webhookID string) error {
	return q.note("discard " + webhookID)
}

func (q *queue) NextSequence(context.Context) (uint64, error) { return 1, nil }

func (q *queue) HeldEach(context.Context, []webhook.Webhook) (map[string]int64, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.held, q.away
}

// messageOf returns the message of an event that was published.
func messageOf(e event.Event, sequence uint64) *stream.Message {
	return &stream.Message{Data: e.Body(), Sequence: sequence, Stored: time.Now()}
}

func (q *queue) Publish(_ context.Context, e event.Event) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.away != nil {
		return q.away
	}
	q.published = append(q.published, e)
	return nil
}

func (q *queue) set(held map[string]int64, away error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held, q.away = held, away
}

// take returns what was asked since the last take.
func (q *queue) take() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	calls := q.calls
	q.calls = nil
	return calls
}

func (q *queue) wantCalls(t *testing.T, want ...string) {
	t.Helper()
	if got := q.take(); !slices.Equal(got, want) {
		t.Errorf("asked the queue for %q, want %q", got, want)
	}
}

var errAway = errors.New("the broker is away in this test")

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
