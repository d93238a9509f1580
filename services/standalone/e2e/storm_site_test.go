package e2e_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"maps"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/pgtest"
	"github.com/dialnote/webhooks/pkg/secretbox"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/services/hooklab/receiver"
)

// site is an installation in which anything may fail: three NATS servers with
// three copies of each stream, Postgres, config APIs and dispatchers, each with
// its own way to the others.
type site struct {
	network  *network
	nodes    []*node
	postgres *pgtest.Cluster
	settings map[string]string
	services []*service // dispatchers, then config APIs
	front    *front
	dsn      string // around the network, for the test itself

	receiver    *receiver.Receiver
	receiverURL string
	arrivals    *arrivals
}

// service is the place of one replica, whichever process is in it.
type service struct {
	name, program string
	http, ops     int // ports
	settings      map[string]string
	process       *process
	started       int
	down          bool // by a fault that is not over
}

func newSite(t *testing.T, disks bool) *site {
	t.Helper()
	port := freePort(t)
	postgres, err := pgtest.Start(pgtest.Options{Port: port, Durable: true}) // it is crashed
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := postgres.Stop(); err != nil {
			t.Error(err)
		}
	})
	key, err := secretbox.NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{network: newNetwork(t), nodes: newNodes(t, stormNodes, disks), postgres: postgres, front: newFront(), dsn: postgres.DSN(), arrivals: newArrivals()}
	s.settings = map[string]string{
		"ENCRYPTION_KEYS": key, "API_TOKENS": "e2e:" + serviceToken, "STREAM_REPLICAS": "3", "LOG_LEVEL": "warn",
		"ALLOW_HTTP_ENDPOINTS": "true", "ALLOW_PRIVATE_ENDPOINTS": "true", "RATE_LIMIT": "0", "DRAIN_DELAY": "1s",
		"RETRY_SCHEDULE": "200ms,200ms,300ms,300ms,400ms,400ms,500ms,500ms,500ms,500ms", "AUTO_DISABLE_AFTER": "100",
		"MAX_IN_FLIGHT": strconv.Itoa(maxInFlight), "WEBHOOK_MAX_IN_FLIGHT": strconv.Itoa(webhookMaxInFlight),
	}
	for i := range stormDispatchers + stormAPIs {
		v := &service{name: fmt.Sprintf("dispatcher %d", i), program: "dispatcher", http: freePort(t), ops: freePort(t)}
		if i >= stormDispatchers {
			v.name, v.program = fmt.Sprintf("config-api %d", i-stormDispatchers), "config-api"
		}
		v.settings = maps.Clone(s.settings)
		v.settings["HTTP_ADDR"], v.settings["OPS_ADDR"] = "127.0.0.1:"+strconv.Itoa(v.http), "127.0.0.1:"+strconv.Itoa(v.ops)
		v.settings["NATS_URL"] = s.natsURL(v.name)
		if i == stormDispatchers {
			v.settings["NATS_SYNC"] = "always" // one config API publishes together what comes together, one does not
		}
		at := s.network.lay(v.name+" to postgres", port)[0]
		v.settings["DATABASE_URL"] = strings.Replace(postgres.DSN(), ":"+strconv.Itoa(port), ":"+at, 1)
		s.services = append(s.services, v)
	}
	s.receiver = receiver.New(receiver.Options{Keep: -1, Each: s.arrivals.note})
	listener, err := s.receiver.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.receiver.Close() })
	s.receiverURL = listener.URL("")
	return s
}

// natsURL lays a service's ways to the NATS servers and returns their URL.
func (s *site) natsURL(service string) string {
	var ports []int
	for _, n := range s.nodes {
		ports = append(ports, n.client)
	}
	at := s.network.lay(service+" to nats", ports...)
	for i := range at {
		at[i] = "nats://127.0.0.1:" + at[i]
	}
	return strings.Join(at, ",")
}

// run starts everything and returns when it is ready.
func (s *site) run(t *testing.T) {
	t.Helper()
	for _, n := range s.nodes {
		n.start(t)
	}
	for _, v := range s.services {
		v.start(t)
		if v.program == "config-api" {
			s.front.add("http://127.0.0.1:" + strconv.Itoa(v.http))
		}
	}
	s.ready(t)
}

// ready waits until everything is well by its own account.
func (s *site) ready(t *testing.T) {
	t.Helper()
	for _, n := range s.nodes {
		await(t, n.name, func() error {
			if !n.ready() {
				return fmt.Errorf("not well")
			}
			return nil
		})
	}
	for _, v := range s.services {
		await(t, v.name, v.ready)
	}
}

// start puts a process into the service's place.
func (v *service) start(t *testing.T) {
	t.Helper()
	v.started++
	v.down = false
	v.process = start(t, fmt.Sprintf("%s, process %d", v.name, v.started), v.settings, t.TempDir(), v.program)
}

// signal sends the process a signal and does not wait for its effect.
func (v *service) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if v.process.alive() {
		_ = v.process.cmd.Process.Signal(sig) // it may end by itself in between
	}
}

// ready returns what the service lacks, nil when it is ready.
func (v *service) ready() error {
	if !v.process.alive() {
		return fmt.Errorf("%s has ended: %w", v.name, v.process.err)
	}
	status, text, err := ask("http://127.0.0.1:" + strconv.Itoa(v.ops) + "/readyz")
	if err == nil && status != 200 {
		err = fmt.Errorf("%d %s", status, text)
	}
	return err
}

// ask is get for what may be frozen.
func ask(url string) (status int, text string, err error) { return getWithin(url, 2*time.Second) }

// held returns how many deliveries a dispatcher has in its hands, or as many as
// it may have when it does not say. One that is struck was asked before it was.
func (v *service) held() int {
	if v.down {
		return 0
	}
	_, text, err := ask("http://127.0.0.1:" + strconv.Itoa(v.ops) + "/metrics")
	if err != nil {
		return maxInFlight
	}
	for line := range strings.Lines(text) {
		if value, found := strings.CutPrefix(line, "dialnote_dispatcher_slots_used "); found {
			if n, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err == nil {
				return int(n)
			}
		}
	}
	return maxInFlight
}

// connect returns a publisher's connection, by a way of its own.
func (s *site) connect(t *testing.T) *stream.Conn {
	t.Helper()
	conn, err := stream.Connect(stream.Settings{URL: s.natsURL("publisher"), Name: "publisher"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

// lacking returns which copies of streams are not there or behind.
func (s *site) lacking(ctx context.Context, conn *stream.Conn) error {
	i, err := conn.Inspect(ctx)
	if err != nil {
		return err
	}
	for _, stream := range i.Streams {
		if stream.Missing || len(stream.Lacking) > 0 || stream.Replicas != stormNodes {
			return fmt.Errorf("%+v", stream)
		}
	}
	return nil
}
