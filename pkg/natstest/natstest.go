// Package natstest runs a real NATS server with JetStream inside the test's
// process.
package natstest

import (
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Server is a running NATS server.
type Server struct {
	*server.Server

	config string // a file, "" for none
	dir    string
	port   int
}

// Start runs a server with its own JetStream store on a free loopback port
// until the test ends.
func Start(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{dir: tb.TempDir(), port: server.RANDOM_PORT}
	s.start(tb)
	tb.Cleanup(func() { s.Stop() })
	return s
}

// StartFrom runs a server as a configuration file says, but on a free loopback
// port and with a store of its own, until the test ends. The variables of the
// file are the environment's.
func StartFrom(tb testing.TB, config string) *Server {
	tb.Helper()
	s := &Server{config: config, dir: tb.TempDir(), port: server.RANDOM_PORT}
	s.start(tb)
	tb.Cleanup(func() { s.Stop() })
	return s
}

// Stop shuts the server down and waits until it is gone. Its files stay.
func (s *Server) Stop() {
	s.Shutdown()
	s.WaitForShutdown()
}

// Restart starts the server again after Stop, on the same port and files.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	s.start(tb)
}

func (s *Server) start(tb testing.TB) {
	tb.Helper()
	const patience = 20 * time.Second
	opts := &server.Options{}
	if s.config != "" {
		var err error
		if opts, err = server.ProcessConfigFile(s.config); err != nil {
			tb.Fatalf("read %s: %v", s.config, err)
		}
	}
	opts.Host, opts.Port, opts.StoreDir = "127.0.0.1", s.port, s.dir
	opts.JetStream, opts.NoLog, opts.NoSigs = true, true, true
	srv, err := server.NewServer(opts)
	if err != nil {
		tb.Fatalf("make NATS server: %v", err)
	}
	srv.Start()
	if !srv.ReadyForConnections(patience) {
		tb.Fatalf("NATS server is not ready after %s", patience)
	}
	s.Server = srv
	addr, ok := srv.Addr().(*net.TCPAddr)
	if !ok {
		tb.Fatalf("NATS server listens on %v, not on TCP", srv.Addr())
	}
	s.port = addr.Port
}
