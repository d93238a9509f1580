package e2e_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/pgtest"
	"github.com/dialnote/webhooks/pkg/secretbox"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/store/storeurl"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/services/hooklab/receiver"
)

// organization is the customer of most tests.
const organization = "acme"

// serviceToken opens the API.
const serviceToken = "e2e-service-token-0123456789"

// bounds of a replica, small enough to be reached.
const (
	maxInFlight        = 128
	webhookMaxInFlight = 32
)

// system is dialnote's webhooks as they run in production: config API,
// dispatchers, NATS, Postgres, and a customer's receiver.
type system struct {
	settings    map[string]string
	own         map[string]map[string]string // further settings of one program
	broker      *broker
	receiver    *receiver.Receiver
	receiverURL string
	api         *process
	dispatchers []*process
	started     int
}

// newSystem returns a system on this database whose broker is not running.
func newSystem(t *testing.T, dsn string) *system {
	t.Helper()
	key, err := secretbox.NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s := &system{broker: newBroker(t)}
	s.settings = map[string]string{
		"DATABASE_URL": dsn, "NATS_URL": s.broker.url(), "ENCRYPTION_KEYS": key, "API_TOKENS": "e2e:" + serviceToken,
		"HTTP_ADDR": "127.0.0.1:0", "OPS_ADDR": "127.0.0.1:0",
		"ALLOW_HTTP_ENDPOINTS": "true", "ALLOW_PRIVATE_ENDPOINTS": "true",
		"RETRY_SCHEDULE": "200ms,400ms,800ms", "AUTO_DISABLE_AFTER": "100", "RATE_LIMIT": "0",
		"MAX_IN_FLIGHT": strconv.Itoa(maxInFlight), "WEBHOOK_MAX_IN_FLIGHT": strconv.Itoa(webhookMaxInFlight),
	}
	s.receiver, s.receiverURL = newReceiver(t)
	return s
}

// startSystem returns a running system with this many dispatchers on a
// database of its own.
func startSystem(t *testing.T, dispatchers int) *system {
	t.Helper()
	s := newSystem(t, pgtest.Schema(t))
	s.run(t, dispatchers)
	return s
}

// run starts everything and returns when it is ready.
func (s *system) run(t *testing.T, dispatchers int) {
	t.Helper()
	s.broker.start(t)
	s.startAPI(t)
	for range dispatchers {
		s.startDispatcher(t)
	}
	s.ready(t)
}

// ready waits until the config API and every dispatcher are.
func (s *system) ready(t *testing.T) {
	t.Helper()
	ready(t, s.api)
	for _, d := range s.dispatchers {
		ready(t, d)
	}
}

func newReceiver(t *testing.T) (r *receiver.Receiver, url string) {
	t.Helper()
	r = receiver.New(receiver.Options{})
	listener, err := r.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r, listener.URL("")
}

func (s *system) startAPI(t *testing.T) {
	t.Helper()
	s.api = start(t, "config-api", s.settingsOf("config-api"), t.TempDir(), "config-api")
}

// startDispatcher adds a replica.
func (s *system) startDispatcher(t *testing.T) {
	t.Helper()
	s.dispatchers = append(s.dispatchers, s.newDispatcher(t))
}

// restartDispatcher puts a new replica in the place of one that has ended.
func (s *system) restartDispatcher(t *testing.T, i int) {
	t.Helper()
	s.dispatchers[i] = s.newDispatcher(t)
}

func (s *system) newDispatcher(t *testing.T) *process {
	t.Helper()
	s.started++
	return start(t, fmt.Sprintf("dispatcher %d", s.started), s.settingsOf("dispatcher"), t.TempDir(), "dispatcher")
}

// settingsOf returns the settings of a program: the system's, and its own.
func (s *system) settingsOf(program string) map[string]string {
	settings := maps.Clone(s.settings)
	maps.Copy(settings, s.own[program])
	return settings
}

// with returns the settings with some of them changed.
func (s *system) with(changed map[string]string) {
	maps.Copy(s.settings, changed)
}

// client returns a client of the API.
func (s *system) client(t *testing.T) *client {
	t.Helper()
	return newClient(t, "http://"+s.api.listening(t, "HTTP_ADDR"), serviceToken)
}

// connect returns a connection to the broker, as a platform service has.
func (s *system) connect(t *testing.T) *stream.Conn {
	t.Helper()
	conn, err := stream.Connect(stream.Settings{URL: s.broker.url(), Name: "e2e"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

// store opens the system's database.
func (s *system) store(t *testing.T) store.Store {
	t.Helper()
	box, err := secretbox.Parse(s.settings["ENCRYPTION_KEYS"])
	if err != nil {
		t.Fatal(err)
	}
	db, err := storeurl.Open(t.Context(), s.settings["DATABASE_URL"], box)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// operators returns the base URL of what a service shows its operators.
func operators(t *testing.T, p *process) string {
	t.Helper()
	return "http://" + p.listening(t, "OPS_ADDR", "operators")
}

// ready waits until a service says that it is.
func ready(t *testing.T, p *process) {
	t.Helper()
	base := operators(t, p)
	await(t, p.name+" is not ready", func() error {
		if !p.alive() {
			t.Fatalf("%s has ended: %v", p.name, p.err)
		}
		status, text, err := get(base + "/readyz")
		if err == nil && status != http.StatusOK {
			err = errors.New(text)
		}
		return err
	})
}

// unready waits until a service says that it is not ready because of a part.
func unready(t *testing.T, p *process, part string) {
	t.Helper()
	base := operators(t, p)
	await(t, p.name+" does not miss "+part, func() error {
		status, text, err := get(base + "/readyz")
		if err == nil && (status != http.StatusServiceUnavailable || !strings.Contains("\n"+text, "\n"+part+": ")) {
			err = fmt.Errorf("%d %s", status, text)
		}
		return err
	})
}

// metric returns the value of a metric without labels.
func metric(t *testing.T, p *process, name string) float64 {
	t.Helper()
	_, text, err := get(operators(t, p) + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	value, there := valueOf(t, text, name)
	if !there {
		t.Fatalf("%s has no metric %s", p.name, name)
	}
	return value
}

// valueOf returns the value of a metric without labels in what was scraped.
func valueOf(t *testing.T, text, name string) (value float64, there bool) {
	t.Helper()
	for line := range strings.Lines(text) {
		if value, found := strings.CutPrefix(line, name+" "); found {
			number, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				t.Fatal(err)
			}
			return number, true
		}
	}
	return 0, false
}

// httpClient is for questions to the services.
var httpClient = &http.Client{Timeout: 30 * time.Second}

func get(url string) (status int, text string, err error) {
	return getWithin(url, httpClient.Timeout)
}

func getWithin(url string, most time.Duration) (status int, text string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), most)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	res, err := httpClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, string(body), err
}
