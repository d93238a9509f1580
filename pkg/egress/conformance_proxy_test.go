package egress_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
)

// pipe is how much the kernel may keep of what a tunnel carries, in bytes.
const pipe = 64 << 10

// connectProxy is an outbound proxy: it opens tunnels and passes on what comes,
// hang-ups and resets too.
type connectProxy struct {
	listener net.Listener
	secure   *tls.Config  // nil for a proxy that is spoken to in clear
	taken    atomic.Int64 // bytes that came from receivers and were passed on
	sent     atomic.Int64 // bytes that left towards clients, TLS included
	ended    atomic.Int64 // tunnels of which no more is passed on to the client

	mu    sync.Mutex
	near  []*socket // towards clients
	asked int
}

func newConnectProxy(tb testing.TB, secure *tls.Config) *connectProxy {
	tb.Helper()
	p := &connectProxy{listener: listenLocal(tb), secure: secure}
	go eachConnection(p.listener, func(c *net.TCPConn) { p.serve(c) })
	return p
}

func (p *connectProxy) url() string {
	scheme := "http://"
	if p.secure != nil {
		scheme = "https://"
	}
	return scheme + p.listener.Addr().String()
}

func (p *connectProxy) serve(c *net.TCPConn) {
	raw := &socket{TCPConn: c, sent: &p.sent}
	var near net.Conn = raw
	if p.secure != nil {
		near = tls.Server(raw, p.secure)
	}
	defer near.Close()
	in := bufio.NewReader(near)
	r, err := http.ReadRequest(in)
	if err != nil || r.Method != http.MethodConnect {
		return
	}
	p.mu.Lock()
	p.near = append(p.near, raw)
	p.asked++
	p.mu.Unlock()
	to, err := net.Dial("tcp", r.RequestURI)
	if err != nil {
		_, _ = io.WriteString(near, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
		return
	}
	far := to.(*net.TCPConn)
	defer far.Close()
	_ = far.SetReadBuffer(pipe) // a receiver then notices soon that a client reads no more
	_ = raw.SetWriteBuffer(pipe)
	if _, err := io.WriteString(near, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	p.join(near, raw, in, far)
}

// join passes on what comes from either side until both have ended.
func (p *connectProxy) join(near net.Conn, raw *socket, in io.Reader, far *net.TCPConn) {
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.Copy(far, in)
		_ = far.CloseWrite()
	})
	both.Go(func() {
		defer p.ended.Add(1)
		if _, err := io.Copy(counted{near, &p.taken}, far); err != nil { // a reset is passed on as one
			_ = raw.SetLinger(0)
			_ = raw.Close()
			return
		}
		if secured, is := near.(*tls.Conn); is {
			_ = secured.CloseWrite()
		}
		_ = raw.CloseWrite()
	})
	both.Wait()
}

// tunnels returns how many tunnels were asked for.
func (p *connectProxy) tunnels() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

// arrived reports whether everything that receivers sent, a number of bytes, is
// in the clients' kernel, or a client takes no more.
func (p *connectProxy) arrived(sent int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken.Load() < sent && p.ended.Load() == 0 {
		return false
	}
	for _, s := range p.near {
		if !s.arrived() {
			return false
		}
	}
	return true
}

// counted counts what is written.
type counted struct {
	io.Writer

	bytes *atomic.Int64
}

// Write implements io.Writer.
func (c counted) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.bytes.Add(int64(n))
	return n, err
}

func listenLocal(tb testing.TB) net.Listener {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = l.Close() })
	return l
}

// eachConnection serves every connection in a goroutine of its own.
func eachConnection(l net.Listener, serve func(*net.TCPConn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go serve(c.(*net.TCPConn))
	}
}
