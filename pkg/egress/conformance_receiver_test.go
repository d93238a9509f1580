package egress_test

import (
	"crypto/tls"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// receiver is a customer's server that does what a test says, byte for byte. It
// notes every request that arrives.
type receiver struct {
	listener net.Listener
	secure   *tls.Config   // nil for a receiver that is spoken to in clear
	sent     atomic.Int64  // bytes, TLS included
	over     chan struct{} // closed at the end of the test

	mu       sync.Mutex
	arrivals []arrival
	sockets  []*socket
	made     int // connections
}

// arrival is a request that a receiver read to its end.
type arrival struct {
	connection int    // which of the receiver's, counted from 1
	protocol   string // "HTTP/1.1" or "HTTP/2.0"
	path       string
	head       string // HTTP/1.1: as it came, with the empty line; HTTP/2: a line for each field
	body       string
}

// connection is one connection to a receiver.
type connection struct {
	net.Conn // what is spoken on

	receiver *receiver
	raw      *socket // beneath Conn
	number   int     // counted from 1
}

// newReceiver starts a receiver. Each connection is served by serve, its
// handshake included, and closed afterwards.
func newReceiver(tb testing.TB, secure *tls.Config, serve func(*connection)) *receiver {
	tb.Helper()
	r := &receiver{listener: listenLocal(tb), secure: secure, over: make(chan struct{})}
	tb.Cleanup(func() { close(r.over) })
	go eachConnection(r.listener, func(c *net.TCPConn) {
		conn := r.accept(c)
		defer conn.Close()
		_ = c.SetDeadline(time.Now().Add(2 * patience)) // no test leaves a goroutine behind
		serve(conn)
	})
	return r
}

func (r *receiver) accept(c *net.TCPConn) *connection {
	raw := &socket{TCPConn: c, sent: &r.sent}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.made++
	r.sockets = append(r.sockets, raw)
	conn := &connection{Conn: raw, receiver: r, raw: raw, number: r.made}
	if r.secure != nil {
		conn.Conn = tls.Server(raw, r.secure)
	}
	return conn
}

// protocol returns what ALPN chose: "h2", "http/1.1" or "". It makes the
// handshake that is due.
func (c *connection) protocol() string {
	secured, is := c.Conn.(*tls.Conn)
	if !is || secured.Handshake() != nil {
		return ""
	}
	return secured.ConnectionState().NegotiatedProtocol
}

func (c *connection) note(a arrival) {
	a.connection = c.number
	c.receiver.mu.Lock()
	defer c.receiver.mu.Unlock()
	c.receiver.arrivals = append(c.receiver.arrivals, a)
}

// of returns the arrivals of requests for a path.
func (r *receiver) of(path string) (found []arrival) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.arrivals {
		if a.path == path {
			found = append(found, a)
		}
	}
	return found
}

// share reports whether requests for two paths arrived by the same connection,
// that for the second the last time.
func (r *receiver) share(path, last string) bool {
	earlier := r.of(last)
	if len(earlier) == 0 {
		return false
	}
	return slices.ContainsFunc(r.of(path), func(a arrival) bool { return a.connection == earlier[len(earlier)-1].connection })
}

// connections returns how many connections were made.
func (r *receiver) connections() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.made
}

// arrived reports whether all that was sent is in the kernel of the other side.
func (r *receiver) arrived() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.sockets {
		if !s.arrived() {
			return false
		}
	}
	return true
}
