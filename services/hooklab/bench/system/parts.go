package system

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/dialnote/webhooks/pkg/pgtest"
	"github.com/dialnote/webhooks/services/hooklab/bench/process"
	"github.com/dialnote/webhooks/services/hooklab/bench/publish"
	"github.com/dialnote/webhooks/services/hooklab/bench/sink"
)

// apiConnections is how many connections the API's client keeps.
const apiConnections = 256

func (s *System) startReceiver(ctx context.Context) error {
	p, err := s.launch(Receiver, s.options.Self, []string{"receive", strconv.Itoa(s.options.Hosts)}, nil)
	if err != nil {
		return err
	}
	s.parts[Receiver] = p
	var places sink.Places
	err = await(ctx, Receiver, func() error {
		return json.NewDecoder(strings.NewReader(p.Tail(1))).Decode(&places)
	})
	if err != nil {
		return err
	}
	s.Sink = sink.NewClient(places)
	return nil
}

// startResources starts the NATS server and Postgres.
func (s *System) startResources(ctx context.Context) (err error) {
	if err := s.StartNATS(ctx, filepath.Join(s.folder.Path, "nats")); err != nil {
		return err
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	//nolint:contextcheck // it bounds itself, and must not be cut short between files and server
	if s.cluster, err = pgtest.Start(pgtest.Options{Durable: true, Port: port}); err != nil {
		return err
	}
	if s.DB, err = sql.Open("postgres", s.cluster.DSN()); err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	s.settings["DATABASE_URL"] = s.cluster.DSN()
	return nil
}

// StartNATS starts a NATS server on the files in a folder, connects to it, and
// makes it the system's.
func (s *System) StartNATS(ctx context.Context, folder string) (err error) {
	port, err := freePort()
	if err != nil {
		return err
	}
	sync := ""
	if s.options.SyncAlways {
		sync = "sync_interval: always"
		s.settings["NATS_SYNC"] = "always"
	}
	file := filepath.Join(s.folder.Path, "nats.conf")
	text := fmt.Sprintf("listen: \"127.0.0.1:%d\"\njetstream {\n store_dir: %q\n %s\n}\n", port, folder, sync)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return fmt.Errorf("configure the NATS server: %w", err)
	}
	if s.parts[NATS], err = s.launch(NATS, s.program("nats-server"), []string{"-c", file}, nil); err != nil {
		return err
	}
	url := "nats://127.0.0.1:" + strconv.Itoa(port)
	s.settings["NATS_URL"] = url
	return await(ctx, NATS, func() error {
		s.NATS, err = publish.Connect(url)
		return err
	})
}

// StopNATS stops the NATS server in order.
func (s *System) StopNATS() error {
	s.NATS.Close()
	s.NATS = nil
	delete(s.settings, "NATS_URL")
	return s.stopPart(NATS, os.Interrupt) // SIGTERM would count as a failure
}

// StartStandalone starts standalone.
func (s *System) StartStandalone(ctx context.Context) error {
	return s.serve(ctx, Standalone, func(env map[string]string) string { return env["HTTP_ADDR"] })
}

// StopStandalone stops standalone in order. Its files stay.
func (s *System) StopStandalone() error { return s.stopPart(Standalone, syscall.SIGTERM) }

// StandaloneNATS returns the folder of standalone's NATS server.
func (s *System) StandaloneNATS() string { return filepath.Join(s.settings["DATA_DIR"], "nats") }

func (s *System) startAPI(ctx context.Context) error {
	return s.serve(ctx, ConfigAPI, func(env map[string]string) string { return env["OPS_ADDR"] })
}

// serve starts a program that serves the API.
func (s *System) serve(ctx context.Context, name string, health func(env map[string]string) string) error {
	env := maps.Clone(s.settings)
	for _, setting := range []string{"HTTP_ADDR", "OPS_ADDR"} {
		port, err := freePort()
		if err != nil {
			return err
		}
		env[setting] = "127.0.0.1:" + strconv.Itoa(port)
	}
	p, err := s.launch(name, s.program(name), nil, env)
	if err != nil {
		return err
	}
	s.parts[name], s.opsAddrs[p] = p, health(env)
	s.API = publish.NewAPI("http://"+env["HTTP_ADDR"], token, apiConnections)
	return s.ready(ctx, p)
}

// AddDispatcher starts a replica and returns when it is ready.
func (s *System) AddDispatcher(ctx context.Context) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	env := maps.Clone(s.settings)
	env["OPS_ADDR"] = "127.0.0.1:" + strconv.Itoa(port)
	s.started++
	p, err := s.launch(Dispatcher+"-"+strconv.Itoa(s.started), s.program(Dispatcher), nil, env)
	if err != nil {
		return err
	}
	s.Dispatchers = append(s.Dispatchers, p)
	s.opsAddrs[p] = env["OPS_ADDR"]
	return s.ready(ctx, p)
}

// StopDispatchers stops every replica in order.
func (s *System) StopDispatchers() error {
	var errs []error
	for _, d := range s.Dispatchers {
		errs = append(errs, s.stop(d, syscall.SIGTERM))
	}
	s.Dispatchers = nil
	return errors.Join(errs...)
}

func (s *System) stopPart(name string, with os.Signal) error {
	p := s.parts[name]
	delete(s.parts, name)
	return s.stop(p, with)
}

// Metric returns the value of a metric without labels that a replica shows its
// operators.
func (s *System) Metric(ctx context.Context, replica *process.Process, name string) (float64, error) {
	text, err := s.get(ctx, "http://"+s.opsAddrs[replica]+"/metrics")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(text) {
		if value, found := strings.CutPrefix(line, name+" "); found {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				return 0, fmt.Errorf("read metric %s: %w", name, err)
			}
			return n, nil
		}
	}
	return 0, fmt.Errorf("%s has no metric %s", replica.Name, name)
}

func (s *System) ready(ctx context.Context, p *process.Process) error {
	return await(ctx, p.Name, func() error {
		_, err := s.get(ctx, "http://"+s.opsAddrs[p]+"/readyz")
		return err
	})
}

func (s *System) get(ctx context.Context, url string) (string, error) {
	plain := publish.NewAPI(url, "", 1)
	defer plain.Close()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	text, err := plain.Do(ctx, publish.Call{Method: http.MethodGet, Want: http.StatusOK})
	return string(text), err
}

// freePort returns a port that is free now and that the system gives to no outgoing
// connection: Linux takes those from 32768 up.
func freePort() (int, error) {
	const first, last = 20_000, 32_000
	for range 100 {
		n, err := rand.Int(rand.Reader, big.NewInt(last-first))
		if err != nil {
			return 0, fmt.Errorf("choose a port: %w", err)
		}
		port := first + int(n.Int64())
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))) //nolint:noctx // it takes no time
		if err != nil {
			continue
		}
		if err := listener.Close(); err != nil {
			return 0, fmt.Errorf("choose a port: %w", err)
		}
		return port, nil
	}
	return 0, errors.New("no free port found")
}

// ClosedPort returns the URL of a port of this machine on which no process listens.
func ClosedPort() (string, error) {
	port, err := freePort()
	return "http://127.0.0.1:" + strconv.Itoa(port), err
}
