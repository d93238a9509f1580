package ops

import (
	"container/list"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dialnote/webhooks/pkg/share"
)

// maxConnections bounds the connections of a server. A connection that is
// waiting costs about 20 KiB, so all of them about 80 MiB.
const maxConnections = 4096

// Connections bounds the connections of a server, all together and those of each
// client network, which may have as many as are free. When there are too many, it
// closes the one that has waited longest for its client: for a request, for the rest
// of a body, or until the client takes its answer. So a client that only holds
// connections open displaces those, and none whose request is being worked on. It is
// a prometheus.Collector, and safe for concurrent use.
type Connections struct {
	meter   *share.Meter
	proxies []netip.Prefix

	mu      sync.Mutex
	held    *share.Ledger         // by client network
	waiting *list.List            // of *connection that wait for their client, the longest first
	lines   map[string]*list.List // waiting, by client network
}

// NewConnections returns bounds for one server, which of names in the metrics. Each
// connection of a trusted proxy counts as a network of its own: its clients are not known yet.
func NewConnections(of string, proxies []netip.Prefix) *Connections {
	return newConnections(of, proxies, maxConnections)
}

func newConnections(of string, proxies []netip.Prefix, most int) *Connections {
	c := &Connections{
		proxies: proxies,
		held:    share.NewLedger(share.Rule{Total: most, Factor: 1}),
		waiting: list.New(), lines: make(map[string]*list.List),
	}
	c.meter = share.NewMeter(of, func() share.State {
		c.mu.Lock()
		defer c.mu.Unlock()
		return share.State{Used: c.held.Used(), Limit: most, Waiting: c.waiting.Len()}
	})
	return c
}

// Describe implements prometheus.Collector.
func (c *Connections) Describe(to chan<- *prometheus.Desc) { c.meter.Describe(to) }

// Collect implements prometheus.Collector.
func (c *Connections) Collect(to chan<- prometheus.Metric) { c.meter.Collect(to) }

// ClientNetwork returns what counts as one client: an IPv4 address, or the /64
// that an IPv6 client may choose its addresses from.
func ClientNetwork(addr netip.Addr) string {
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		if p, err := addr.Prefix(64); err == nil {
			return p.String()
		}
	}
	return addr.String()
}

// networkOf returns the client network of a connection.
func (c *Connections) networkOf(conn net.Conn) string {
	text := conn.RemoteAddr().String()
	addr, err := netip.ParseAddrPort(text)
	if err != nil {
		return text
	}
	for _, p := range c.proxies {
		if p.Contains(addr.Addr().Unmap()) {
			return text
		}
	}
	return ClientNetwork(addr.Addr())
}

// add returns a new connection under the bounds, and closes another one or itself
// when there are too many.
func (c *Connections) add(conn net.Conn) *connection {
	added, displaced := c.admit(&connection{Conn: conn, of: c, network: c.networkOf(conn)})
	if displaced != nil {
		_ = displaced.Conn.Close() // its own goroutine reports that it is closed
	}
	return added
}

// admit takes a place for a connection. It returns which connection is to be closed,
// nil for none.
func (c *Connections) admit(conn *connection) (added, displaced *connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	why := c.held.Take(conn.network, 1)
	c.meter.Refused(why)
	if why != nil {
		displaced = c.longest(conn.network, why)
		if displaced == nil {
			conn.closed = true
			return conn, conn
		}
		c.drop(displaced)
		c.held.Force(conn.network, 1)
	}
	conn.waits = 1
	c.queue(conn)
	return conn, displaced
}

// longest returns the connection that has waited longest, of all or, when the network
// has its share, of that. It returns nil when none waits. The lock is held.
func (c *Connections) longest(network string, why error) *connection {
	line := c.waiting
	if errors.Is(why, share.ErrOverShare) {
		line = c.lines[network]
	}
	if line == nil || line.Len() == 0 {
		return nil
	}
	longest, _ := line.Front().Value.(*connection)
	return longest
}

// queue puts a connection that begins to wait behind the others. The lock is held.
func (c *Connections) queue(conn *connection) {
	line := c.lines[conn.network]
	if line == nil {
		line = list.New()
		c.lines[conn.network] = line
	}
	conn.inAll, conn.inLine = c.waiting.PushBack(conn), line.PushBack(conn)
}

// unqueue takes a connection that waits no longer out of the lines. The lock is held.
func (c *Connections) unqueue(conn *connection) {
	if conn.inAll == nil {
		return
	}
	c.waiting.Remove(conn.inAll)
	line := c.lines[conn.network]
	if line.Remove(conn.inLine); line.Len() == 0 {
		delete(c.lines, conn.network)
	}
	conn.inAll, conn.inLine = nil, nil
}

// drop forgets a connection. The lock is held.
func (c *Connections) drop(conn *connection) {
	if conn.closed {
		return
	}
	conn.closed = true
	c.unqueue(conn)
	c.held.Give(conn.network, 1)
}

// connection is one of Connections.
type connection struct {
	net.Conn

	of      *Connections
	network string
	unread  bool // the request has a body of which the handler has not read the end

	// The lock of Connections is held for what follows.

	waits         int           // how much of it waits for the client; 0 while only we are at work
	inAll, inLine *list.Element // in the lines of those that wait
	closed        bool
}

// waitsForClient says that the connection waits for its client, until worksOn is
// called as often.
func (c *connection) waitsForClient() {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	if c.waits++; c.waits == 1 && !c.closed {
		c.of.queue(c)
	}
}

// worksOn ends what waitsForClient began.
func (c *connection) worksOn() {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	if c.waits--; c.waits == 0 {
		c.of.unqueue(c)
	}
}

// waitFor bounds the time that the connection waits for its client to send.
func (c *connection) waitFor(d time.Duration) {
	_ = c.SetReadDeadline(time.Now().Add(d)) // fails only when it is closed
}

// Write implements net.Conn.
func (c *connection) Write(p []byte) (int, error) {
	c.waitsForClient()
	defer c.worksOn()
	if c.unread {
		c.waitFor(lingerTime)
	}
	return c.Conn.Write(p) //nolint:wrapcheck // a connection around a connection
}

// Close implements net.Conn.
func (c *connection) Close() error {
	c.of.mu.Lock()
	c.of.drop(c)
	c.of.mu.Unlock()
	return c.Conn.Close() //nolint:wrapcheck // a connection around a connection
}

// CloseWrite closes one direction, as net/http does when a client may still be
// sending.
func (c *connection) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// listener accepts connections under the bounds.
type listener struct {
	net.Listener

	connections *Connections
}

// Accept implements net.Listener.
func (l listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err //nolint:wrapcheck // net/http decides by its type
	}
	return l.connections.add(conn), nil
}

type connectionKey struct{}

// connContext is a server's ConnContext: it makes the connection known to handle.
func connContext(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, c)
}

const (
	// bodyTime is how long a handler waits for a request's body.
	bodyTime = 30 * time.Second

	// arrivalTime is how long an answer waits for a body that the handler did not
	// read. When it has come the client can use the connection again.
	arrivalTime = 10 * time.Millisecond

	// lingerTime is how long a connection stays open after an answer that did not
	// wait for the body: a client that is still sending gets the answer.
	lingerTime = 5 * time.Second
)

// handle says of each request's connection when it waits for its client and when
// not, and has a request answered whose body does not come if next does not read it.
func handle(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, ok := r.Context().Value(connectionKey{}).(*connection)
		if !ok {
			next.ServeHTTP(w, r)
			return
		}
		conn.worksOn()
		defer conn.waitsForClient()
		if r.Body == http.NoBody {
			next.ServeHTTP(w, r)
			return
		}
		with := *r
		with.Body = &body{ReadCloser: r.Body, conn: conn, until: time.Now().Add(bodyTime)}
		conn.unread = true
		conn.waitFor(arrivalTime)
		next.ServeHTTP(w, &with)
		if conn.unread {
			conn.waitFor(arrivalTime) // net/http reads the rest before it sends the answer
		}
	})
}

// body is a request's body. While it is read its connection waits for the client.
type body struct {
	io.ReadCloser

	conn  *connection
	until time.Time
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	b.conn.waitsForClient()
	defer b.conn.worksOn()
	_ = b.conn.SetReadDeadline(b.until)
	n, err := b.ReadCloser.Read(p)
	if b.conn.unread = !errors.Is(err, io.EOF); b.conn.unread {
		b.conn.waitFor(arrivalTime)
	}
	return n, err //nolint:wrapcheck // a body around a body
}
