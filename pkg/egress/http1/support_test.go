package http1

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// pipe is a Stream in memory. Its Idle returns idle.
type pipe struct {
	net.Conn
	idle    error
	aborted chan struct{}
}

// Idle implements Stream.
func (p *pipe) Idle() error { return p.idle }

// Abort implements Stream.
func (p *pipe) Abort() {
	close(p.aborted)
	_ = p.Close()
}

// connect returns a fresh connection whose server does as told with its side.
func connect(tb testing.TB, pool *Pool, key Key, serve func(net.Conn)) (*Conn, *pipe) {
	tb.Helper()
	near, far := net.Pipe()
	tb.Cleanup(func() { _, _ = near.Close(), far.Close() })
	go func() {
		defer far.Close()
		serve(far)
	}()
	p := &pipe{Conn: near, aborted: make(chan struct{})}
	return pool.NewConn(p, key), p
}

// answers serves a connection: it answers each request with the next of the texts.
func answers(texts ...string) func(net.Conn) {
	return func(c net.Conn) {
		r := bufio.NewReader(c)
		for _, text := range texts {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, req.Body)
			if _, err := io.WriteString(c, text); err != nil {
				return
			}
		}
		_, _ = io.Copy(io.Discard, r) // until the other side closes
	}
}

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

var acme = Key{Organization: "acme", Host: "hooks.example.com"}

func newPool() *Pool { return NewPool(10, 10, time.Minute) }

func post() Request {
	return Request{Method: http.MethodPost, Target: "/", Host: "hooks.example.com", Body: []byte("{}")}
}

// send sends a request, reads its answer to the end and closes it. It returns the
// answer's status.
func send(tb testing.TB, c *Conn, r Request) (int, error) {
	tb.Helper()
	return sendUntil(tb.Context(), c, time.Now().Add(time.Minute), r)
}

// sendUntil is send with a deadline and a context.
func sendUntil(ctx context.Context, c *Conn, deadline time.Time, r Request) (int, error) {
	resp, err := c.RoundTrip(ctx, deadline, r)
	if err != nil {
		return 0, err
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, resp.Body.Close()
}
