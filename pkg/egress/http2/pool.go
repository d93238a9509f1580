package http2

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/http2"
)

// Pool keeps connections for reuse until they have been idle for a time. It is
// safe for concurrent use.
type Pool struct {
	protocol *http2.Transport //nolint:staticcheck // deprecated: see the package's comment
	max      int
	idleTime time.Duration

	mu      sync.Mutex
	conns   map[string][]*Conn // by server
	count   int
	sweeper *time.Timer // set while there is a connection
}

// NewPool returns a pool that keeps at most maxConns connections, each until it
// has carried no request for idleTime. Answers' heads have at most maxHead bytes.
func NewPool(maxConns int, maxHead int64, idleTime time.Duration) (*Pool, error) {
	protocol, err := http2.ConfigureTransports(&http.Transport{ //nolint:staticcheck // deprecated: see the package's comment
		MaxResponseHeaderBytes: maxHead,
		IdleConnTimeout:        idleTime,
		DisableCompression:     true, // nothing asks for it; the reader of the body unpacks what is packed
		HTTP2: &http.HTTP2Config{
			// By default 4 MiB of a stream are buffered before anything is read.
			MaxReceiveBufferPerStream:     64 << 10,
			MaxReceiveBufferPerConnection: 1 << 20,
			// One dead connection would carry all requests to its server.
			SendPingTimeout: 15 * time.Second,
			PingTimeout:     5 * time.Second,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("configure HTTP/2: %w", err)
	}
	return &Pool{protocol: protocol, max: maxConns, idleTime: idleTime, conns: make(map[string][]*Conn)}, nil
}

// Add makes a connection to a server, named by host and port, of one on which
// HTTP/2 was agreed, reserves a stream on it for the caller's RoundTrip, and keeps
// it for others. A connection beyond the pool's bound serves its caller alone.
func (p *Pool) Add(c net.Conn, server string) (*Conn, error) {
	m := newMeter(c)
	client, err := p.protocol.NewClientConn(m) //nolint:staticcheck // deprecated: see the package's comment
	if err != nil {
		_ = c.Close() // nothing was sent on it
		return nil, fmt.Errorf("begin HTTP/2: %w", err)
	}
	conn := &Conn{client: client, meter: m}
	if !conn.usable() {
		_ = client.Close()
		return nil, conn.explain(fmt.Errorf("begin HTTP/2: %w", io.ErrUnexpectedEOF))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count >= p.max {
		client.SetDoNotReuse()
		return conn, nil
	}
	p.conns[server] = append(p.conns[server], conn)
	p.count++
	if p.sweeper == nil {
		p.sweeper = time.AfterFunc(p.idleTime, p.sweep)
	}
	return conn, nil
}

// Take returns a connection to a server with a stream reserved for the caller's
// RoundTrip, the first made first, so that those which are not needed become idle.
// It returns nil when there is none.
func (p *Pool) Take(server string) *Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns[server] {
		if c.usable() {
			return c
		}
	}
	return nil
}

// Conns returns how many connections are kept.
func (p *Pool) Conns() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}

// sweep forgets the connections that have ended. Asking a connection may wait for
// a server that does not read, so it is done without the lock.
func (p *Pool) sweep() {
	ended := make(map[*Conn]bool)
	for _, c := range p.all() {
		if c.closed() {
			ended[c] = true
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count = 0
	for server, all := range p.conns {
		all = slices.DeleteFunc(all, func(c *Conn) bool { return ended[c] })
		if len(all) == 0 {
			delete(p.conns, server)
			continue
		}
		p.conns[server] = all
		p.count += len(all)
	}
	p.sweeper = nil
	if p.count > 0 {
		p.sweeper = time.AfterFunc(p.idleTime, p.sweep)
	}
}

// all returns the connections that are kept.
func (p *Pool) all() []*Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]*Conn, 0, p.count)
	for _, some := range p.conns {
		all = append(all, some...)
	}
	return all
}

// Close closes the connections when the requests on them have their answers, at
// the latest when ctx ends. It does not wait for that.
func (p *Pool) Close(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, all := range p.conns {
		for _, c := range all {
			go c.shutdown(ctx)
		}
	}
	clear(p.conns)
	p.count = 0
}
