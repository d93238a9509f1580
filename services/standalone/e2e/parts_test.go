package e2e_test

import (
	"crypto/rand"
	"math/big"
	"net"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/dialnote/webhooks/pkg/pgtest"
)

// broker is a nats-server with JetStream that can be stopped and started
// again on the same port and files.
type broker struct {
	port    int
	dir     string
	config  string            // a configuration file, "" for none
	env     map[string]string // its variables, after DIALNOTE_
	process *process
}

// newBroker returns a broker that is not running yet.
func newBroker(t *testing.T) *broker {
	t.Helper()
	return &broker{port: freePort(t), dir: t.TempDir()}
}

// start runs the server and returns when it is ready.
func (b *broker) start(t *testing.T) {
	t.Helper()
	args := []string{"--addr", "127.0.0.1", "--port", strconv.Itoa(b.port)}
	if b.config == "" {
		args = append(args, "--jetstream", "--store_dir", filepath.Join(b.dir, "data"))
	} else {
		args = append(args, "--config", b.config)
	}
	b.process = start(t, "nats-server", b.env, b.dir, "nats-server", args...)
	b.process.matching(t, `Server is ready`)
}

func (b *broker) url() string { return "nats://127.0.0.1:" + strconv.Itoa(b.port) }

// freePort returns a port that is free and that the system gives to no outgoing
// connection: a server that was stopped finds it free again, and a
// client that calls while it is away cannot connect to itself.
func freePort(t *testing.T) int {
	t.Helper()
	const first, last = 20_000, 32_000 // below Linux's ephemeral ports
	for range 100 {
		n, err := rand.Int(rand.Reader, big.NewInt(last-first))
		if err != nil {
			t.Fatal(err)
		}
		port := first + int(n.Int64())
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
		return port
	}
	t.Fatal("no free port found")
	return 0
}

// ownPostgres starts a Postgres that a test may stop and start.
func ownPostgres(t *testing.T) *pgtest.Cluster {
	t.Helper()
	cluster, err := pgtest.Start(pgtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	})
	return cluster
}
