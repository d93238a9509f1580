package pgtest

import (
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"sync"
)

// Address is a TCP address that leads to one server at a time, as the address of a
// primary does that outlives failovers.
type Address struct {
	listener net.Listener

	mu     sync.Mutex
	server *Cluster
	open   map[net.Conn]bool
}

// NewAddress returns an address that leads to a server, until it is closed.
func NewAddress(ctx context.Context, server *Cluster) (*Address, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	a := &Address{listener: listener, server: server, open: make(map[net.Conn]bool)}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go a.pass(conn)
		}
	}()
	return a, nil
}

// DSN returns the URL of the address.
func (a *Address) DSN() string {
	return fmt.Sprintf("postgres://postgres@%s/postgres?sslmode=disable", a.listener.Addr())
}

// Lead has new connections go to a server. Open ones stay where they are.
func (a *Address) Lead(server *Cluster) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.server = server
}

// Cut ends the open connections.
func (a *Address) Cut() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for conn := range a.open {
		_ = conn.Close()
	}
}

// Close ends the address and its connections.
func (a *Address) Close() error {
	defer a.Cut()
	if err := a.listener.Close(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return nil
}

// pass carries what a client and the server of the moment say to each other.
func (a *Address) pass(client net.Conn) {
	a.mu.Lock()
	server := a.server
	a.open[client] = true
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.open, client)
		_ = client.Close()
	}()
	there, err := (&net.Dialer{}).Dial("unix", server.socket()) //nolint:forbidigo // to a test's server
	if err != nil {
		return
	}
	defer func() { _ = there.Close() }()
	go func() {
		_, _ = io.Copy(there, client)
		_ = there.Close()
	}()
	_, _ = io.Copy(client, there)
}

// socket returns the file of the server's Unix socket.
func (c *Cluster) socket() string {
	port := c.options.Port
	if port == 0 {
		port = 5432
	}
	return filepath.Join(c.dir, ".s.PGSQL."+strconv.Itoa(port))
}
