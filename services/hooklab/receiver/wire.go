package receiver

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"sync"
)

// maxWireHeader bounds what is kept of a request's header as it came. A longer
// one is recorded without its wire form.
const maxWireHeader = 64 << 10

// wireListener hands out connections that keep each request's header as it
// came: net/http changes the case of names and forgets their order.
type wireListener struct {
	net.Listener
	tls *tls.Config // nil for plain HTTP
}

// Accept waits for a connection.
func (l wireListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err //nolint:wrapcheck // net/http compares the error
	}
	if l.tls != nil {
		conn = tls.Server(conn, l.tls)
	}
	return &wireConn{Conn: conn}, nil
}

// wireConn keeps what is read up to the end of a request's header.
type wireConn struct {
	net.Conn

	mu   sync.Mutex
	kept []byte // read, and not known to belong to an older request
	skip int64  // bytes still to come of the current request's body
}

// Read reads and keeps a copy.
func (c *wireConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.keep(p[:n])
	return n, err //nolint:wrapcheck // a net.Conn passes errors through
}

func (c *wireConn) keep(p []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	body := min(c.skip, int64(len(p)))
	c.skip -= body
	p = p[body:]
	c.kept = append(c.kept, p[:min(len(p), maxWireHeader-len(c.kept))]...)
}

// header returns the header of the request that net/http has just parsed, from
// its first line to the empty line, or "" when it is not known. It is called
// once a request, before the body is read to its end.
//
// The next header begins where this body ends, by its Content-Length. After a
// chunked body, or a request for which header was not called, it searches for the
// request's first line.
func (c *wireConn) header(r *http.Request) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	start := 0
	if line := []byte(r.Method + " " + r.RequestURI + " " + r.Proto + "\r\n"); !bytes.HasPrefix(c.kept, line) {
		start = bytes.LastIndex(c.kept, line)
	}
	if start < 0 {
		c.kept = nil
		return ""
	}
	header, rest, found := bytes.Cut(c.kept[start:], []byte("\r\n\r\n"))
	if !found {
		c.kept = nil
		return ""
	}
	wire := string(header) + "\r\n\r\n"
	bodyHere := min(int64(len(rest)), max(0, r.ContentLength))
	c.skip = max(0, r.ContentLength) - bodyHere
	c.kept = append(c.kept[:0], rest[bodyHere:]...)
	return wire
}

// wireConnKey is the context key of a request's *wireConn.
type wireConnKey struct{}

func withWireConn(ctx context.Context, conn net.Conn) context.Context {
	if c, ok := conn.(*wireConn); ok {
		return context.WithValue(ctx, wireConnKey{}, c)
	}
	return ctx
}

// wireHeader returns the request's header as it came, or "" over HTTP/2 and
// under a server that is not this package's.
func wireHeader(r *http.Request) string {
	if c, ok := r.Context().Value(wireConnKey{}).(*wireConn); ok {
		return c.header(r)
	}
	return ""
}

// overTLS reports whether the request came over TLS.
func overTLS(r *http.Request) bool {
	if c, ok := r.Context().Value(wireConnKey{}).(*wireConn); ok {
		_, secure := c.Conn.(*tls.Conn)
		return secure
	}
	return r.TLS != nil
}

// wireNames returns the header names of a wire header in their order and case.
func wireNames(wire string) []string {
	var names []string
	_, lines, _ := strings.Cut(wire, "\r\n")
	for line := range strings.SplitSeq(lines, "\r\n") {
		if name, _, ok := strings.Cut(line, ":"); ok {
			names = append(names, name)
		}
	}
	return names
}
