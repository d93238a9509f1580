package egress

import (
	"container/list"
	"context"
	"crypto/tls"
	"net"
	"net/url"
	"slices"
	"sync"
	"time"
)

const (
	// wireBody is the longest body that is sent over a wire, in bytes. It fits
	// into what the kernel buffers, so that writing it never waits for a receiver
	// that has answered already and reads no more. A longer one goes by the
	// transport, which reads while it writes.
	wireBody = 32 << 10

	// lately is how long ago a connection may have been used for it to be taken
	// for alive without looking.
	lately = 5 * time.Millisecond

	// mostHTTP2 is how many servers that speak HTTP/2 are known by name.
	mostHTTP2 = 10_000
)

// server is where connections lead to.
type server struct {
	secure bool
	host   string // with the port unless it is the scheme's own
}

func serverOf(u *url.URL) server { return server{secure: u.Scheme == "https", host: u.Host} }

// address returns the server's host and port.
func (s server) address() string {
	u := url.URL{Host: s.host}
	switch {
	case u.Port() != "":
		return s.host
	case s.secure:
		return net.JoinHostPort(u.Hostname(), "443")
	default:
		return net.JoinHostPort(u.Hostname(), "80")
	}
}

// wires keeps connections that speak HTTP/1.1 for reuse, and knows who speaks
// HTTP/2: those servers are the transport's. Safe for concurrent use.
type wires struct {
	dialer              *dialer
	maxIdle, maxPerHost int

	mu      sync.Mutex
	idle    map[server][]*wire // each server's, the longest idle first
	order   *list.List         // of all idle wires, the longest idle first
	sweeper *time.Timer        // set while any is idle
	http2   map[server]struct{}
	fresh   map[string][]net.Conn // connections on which HTTP/2 was agreed, for the transport to find
}

func newWires(cfg Config, d *dialer) *wires {
	return &wires{
		dialer: d, maxIdle: cfg.MaxIdle, maxPerHost: cfg.MaxIdlePerHost,
		idle: make(map[server][]*wire), order: list.New(),
		http2: make(map[server]struct{}), fresh: make(map[string][]net.Conn),
	}
}

// get returns a connection to a server that follows ctx: an idle one, or one that
// is made before the deadline. It returns nil when the server turns out to speak
// HTTP/2; the connection is then kept for the transport to find.
func (s *wires) get(ctx context.Context, deadline time.Time, to server) (*wire, error) {
	for x := s.take(to); x != nil; x = s.take(to) {
		if (time.Since(x.since) < lately || x.quiet()) && x.follow(ctx) {
			return x, nil
		}
		x.close()
	}
	x, err := s.make(ctx, deadline, to)
	if x != nil {
		x.follow(ctx)
	}
	return x, err
}

// make connects.
func (s *wires) make(ctx context.Context, deadline time.Time, to server) (*wire, error) {
	ctx, stop := context.WithDeadlineCause(ctx, deadline, errDeadline)
	defer stop()
	if !to.secure {
		c, err := s.dialer.dialPlain(ctx, "tcp", to.address())
		if err != nil {
			return nil, err
		}
		return s.newWire(c, c.(*conn), to), nil //nolint:forcetypeassert // as dialPlain says
	}
	c, err := s.dialer.dialTLS(ctx, "tcp", to.address())
	if err != nil {
		return nil, err
	}
	secured := c.(*tls.Conn) //nolint:forcetypeassert // as dialTLS says
	if secured.ConnectionState().NegotiatedProtocol == "h2" {
		s.learn(to, secured)
		return nil, nil //nolint:nilnil // no wire, and no failure
	}
	return s.newWire(secured, secured.NetConn().(*conn), to), nil //nolint:forcetypeassert // as dialTLS says
}

// take takes the idle connection that was used last; nil when there is none.
func (s *wires) take(to server) *wire {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.idle[to]); n > 0 {
		return s.remove(to, n-1)
	}
	return nil
}

// remove takes out a server's ith idle wire. The lock is held.
func (s *wires) remove(to server, i int) *wire {
	all := s.idle[to]
	x := all[i]
	if all = slices.Delete(all, i, i+1); len(all) == 0 {
		delete(s.idle, to)
	} else {
		s.idle[to] = all
	}
	s.order.Remove(x.idle)
	x.idle = nil
	return x
}

// put keeps a connection for reuse. When there are too many, the one that has
// been idle for longest is closed.
func (s *wires) put(x *wire) {
	x.used, x.since = true, time.Now()
	to := x.to
	s.mu.Lock()
	defer s.mu.Unlock()
	var surplus *wire
	switch {
	case len(s.idle[to]) >= s.maxPerHost:
		surplus = s.remove(to, 0)
	case s.order.Len() >= s.maxIdle:
		surplus = s.oldest()
	}
	s.idle[to] = append(s.idle[to], x)
	x.idle = s.order.PushBack(x)
	if s.sweeper == nil {
		s.sweeper = time.AfterFunc(idleTimeout, s.sweep)
	}
	if surplus != nil {
		go surplus.close()
	}
}

// oldest takes out the wire that has been idle for longest, which is the first of
// its server's too. The lock is held, and there is one.
func (s *wires) oldest() *wire {
	return s.remove(s.order.Front().Value.(*wire).to, 0) //nolint:forcetypeassert // nothing else is in the list
}

// sweep closes what has been idle for too long.
func (s *wires) sweep() {
	for _, x := range s.expired(time.Now().Add(-idleTimeout)) {
		x.close()
	}
}

func (s *wires) expired(before time.Time) (expired []*wire) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.order.Len() > 0 {
		next := s.order.Front().Value.(*wire).since //nolint:forcetypeassert // nothing else is in the list
		if next.After(before) {
			s.sweeper = time.AfterFunc(next.Sub(before), s.sweep)
			return expired
		}
		expired = append(expired, s.oldest())
	}
	s.sweeper = nil
	return expired
}

// close closes the idle connections.
func (s *wires) close() {
	for _, x := range s.expired(time.Now().Add(time.Hour)) {
		x.close()
	}
}

// speaksHTTP2 reports whether a server is known to.
func (s *wires) speaksHTTP2(to server) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, known := s.http2[to]
	return known
}

// learn remembers that a server speaks HTTP/2, and keeps the connection that told
// so for the transport.
func (s *wires) learn(to server, c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.http2) >= mostHTTP2 {
		clear(s.http2)
	}
	s.http2[to] = struct{}{}
	s.fresh[to.address()] = append(s.fresh[to.address()], c)
}

// unlearn forgets that a server speaks HTTP/2.
func (s *wires) unlearn(to server) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.http2, to)
}

// dialTLS is how the transport connects: a connection that was made to find out
// comes first.
func (s *wires) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	if c := s.takeFresh(address); c != nil {
		return c, nil
	}
	return s.dialer.dialTLS(ctx, network, address)
}

func (s *wires) takeFresh(address string) net.Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.fresh[address]
	if len(all) == 0 {
		return nil
	}
	c := all[0]
	if all = all[1:]; len(all) == 0 {
		delete(s.fresh, address)
	} else {
		s.fresh[address] = all
	}
	return c
}
