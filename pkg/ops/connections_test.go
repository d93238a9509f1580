package ops

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// bounded is a server whose connections are bounded.
type bounded struct {
	*Connections

	addr string
}

// serveBounded serves with room for most connections until the test ends.
func serveBounded(t *testing.T, most int, handler http.HandlerFunc) *bounded {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv, c := newServer(handler), newConnections("connections", []netip.Prefix{netip.MustParsePrefix("127.0.9.0/24")}, most)
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(listener{l, c}) }()
	t.Cleanup(func() {
		_ = srv.Close()
		<-ended
	})
	return &bounded{c, l.Addr().String()}
}

// await polls until ok; the deadline only bounds a failing test.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("it is not so: %s", what)
		}
	}
}

// awaitState waits until so many connections are open and so many of them wait.
func (b *bounded) awaitState(t *testing.T, open, waiting int) {
	t.Helper()
	await(t, fmt.Sprintf("%d connections, %d of them waiting", open, waiting), func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.held.Used() == open && b.waiting.Len() == waiting
	})
}

// dial connects from 127.0.0.n: each n is a client network of its own.
func (b *bounded) dial(t *testing.T, n int) net.Conn {
	t.Helper()
	return b.dialFrom(t, fmt.Sprintf("127.0.0.%d", n))
}

func (b *bounded) dialFrom(t *testing.T, from string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.DialContext(t.Context(), "tcp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func write(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// answer reads an answer and leaves the connection open.
func answer(t *testing.T, c net.Conn) string {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	return string(text)
}

const plain = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

// closed waits until the server has closed a connection.
func closed(t *testing.T, c net.Conn) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("the connection is open")
	}
}

// The connection that has waited longest is displaced, whether it has never sent
// anything or nothing since its last request.
func TestWaitingConnectionsAreDisplaced(t *testing.T) {
	t.Parallel()
	s := serveBounded(t, 3, func(http.ResponseWriter, *http.Request) {})
	ask := func(c net.Conn) {
		t.Helper()
		write(t, c, plain)
		answer(t, c)
	}
	kept := s.dial(t, 1)
	ask(kept)
	s.awaitState(t, 1, 1) // it has waited longer than those that follow
	silent := s.dial(t, 2)
	s.awaitState(t, 2, 2)
	third := s.dial(t, 3)
	ask(third)
	s.awaitState(t, 3, 3)
	fourth := s.dial(t, 4)
	ask(fourth)
	closed(t, kept)
	s.awaitState(t, 3, 3)
	fifth := s.dial(t, 5)
	ask(fifth)
	closed(t, silent)
	ask(fourth)
	ask(fifth)
}

// A request under way is never cut off for a new connection: the new one goes.
func TestRequestsAreNotDisplaced(t *testing.T) {
	t.Parallel()
	began, release := make(chan struct{}), make(chan struct{})
	s := serveBounded(t, 2, func(w http.ResponseWriter, _ *http.Request) {
		began <- struct{}{}
		<-release
		_, _ = io.WriteString(w, "done")
	})
	clients := []net.Conn{s.dial(t, 1), s.dial(t, 2)}
	for _, c := range clients {
		write(t, c, plain)
		<-began
	}
	closed(t, s.dial(t, 3))
	close(release)
	for _, c := range clients {
		if text := answer(t, c); text != "done" {
			t.Errorf("answered %q", text)
		}
	}
}

// Whoever announces a body and does not send it, or does not take the answer, gives
// way.
func TestConnectionsThatWaitForTheirClientAreDisplaced(t *testing.T) {
	t.Parallel()
	for name, sent := range map[string]string{
		"for a body that is read":            "POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n",
		"for the rest of one":                "POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345",
		"for a chunk":                        "POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
		"for a body after its answer":        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n",
		"for headers":                        "POST / HTTP/1.1\r\nHost",
		"until the client takes the answer":  "GET /large HTTP/1.1\r\nHost: x\r\n\r\n",
		"for a body that it is to continue":  "POST /read HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n",
		"for a body after answering to that": "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\nabc",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serveBounded(t, 1, func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/read":
					_, _ = io.ReadAll(r.Body)
				case "/large":
					_, _ = io.Copy(w, io.LimitReader(zeros{}, 1<<30))
				}
			})
			slow := s.dial(t, 1)
			write(t, slow, sent)
			await(t, "the connection is displaced", func() bool { // when it was at work the new one goes
				next := s.dial(t, 2)
				defer next.Close()
				write(t, next, plain)
				resp, err := http.ReadResponse(bufio.NewReader(next), nil)
				if err != nil {
					return false
				}
				return resp.Body.Close() == nil
			})
			closed(t, slow)
		})
	}
}

// zeros are bytes without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// A request is answered before its body has come when that is not read. A client
// that is sending gets the answer whole, and the connection ends then.
func TestABodyThatIsNotReadIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("a", 20_000)
	s := serveBounded(t, 40, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/part" {
			_, _ = io.ReadFull(r.Body, make([]byte, 3))
		}
		w.Header().Set("X-Path", r.URL.Path)
		if r.URL.Path != "/small" {
			_, _ = io.WriteString(w, large)
		}
	})
	for framing, body := range map[string]string{
		"Content-Length: 100000":                     strings.Repeat("0", 100_000),
		"Content-Length: 500000":                     strings.Repeat("0", 500_000), // more than is read
		"Transfer-Encoding: chunked":                 "a\r\n0123456789\r\n0\r\n\r\n",
		"Expect: 100-continue\r\nContent-Length: 10": "0123456789",
	} {
		for _, path := range []string{"/small", "/large", "/part"} {
			c := s.dial(t, 1)
			write(t, c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n"+framing+"\r\n\r\n")
			if path == "/part" {
				write(t, c, body[:6])
			}
			r := bufio.NewReader(c)
			resp, err := http.ReadResponse(r, nil)
			for err == nil && resp.StatusCode == http.StatusContinue {
				resp, err = http.ReadResponse(r, nil)
			}
			if err != nil {
				t.Fatalf("%s, %s: %v", framing, path, err)
			}
			text, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if err != nil || resp.Header.Get("X-Path") != path || !resp.Close || path != "/small" && string(text) != large {
				t.Errorf("%s, %s: %+v with %d bytes, %v", framing, path, resp, len(text), err)
			}
			_, _ = io.WriteString(c, body) // what the server does not read may be refused
			closed(t, c)
		}
	}
}

// A client that sends what is not read may use its connection again.
func TestABodyThatHasComeIsPassedOver(t *testing.T) {
	t.Parallel()
	s := serveBounded(t, 4, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Path) })
	c := s.dial(t, 1)
	for _, path := range []string{"/1", "/2", "/3"} {
		write(t, c, "DELETE "+path+" HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0123456789")
		if text := answer(t, c); text != path {
			t.Errorf("%s answered %q", path, text)
		}
	}
}

// One client network has no more connections than it leaves to others; those of a
// trusted proxy are not its own.
func TestAClientNetworkHasItsShareOfConnections(t *testing.T) {
	t.Parallel()
	s := serveBounded(t, 8, func(http.ResponseWriter, *http.Request) {})
	other := s.dial(t, 2)
	s.awaitState(t, 1, 1)
	mine := make([]net.Conn, 7)
	for i := range mine {
		mine[i] = s.dial(t, 1)
		if i < 4 { // as many as are free
			s.awaitState(t, i+2, i+2)
			continue
		}
		closed(t, mine[i-4])
		s.awaitState(t, 5, 5)
	}
	for i := range 3 {
		s.dialFrom(t, "127.0.9.1")
		s.awaitState(t, 6+i, 6+i)
	}
	s.dialFrom(t, "127.0.9.1") // there is no place left: the longest of all goes
	closed(t, other)
	want := `# HELP dialnote_held_back_total How often an organization or a client did not get at once its part of what all share, by why and by what followed.
# TYPE dialnote_held_back_total counter
dialnote_held_back_total{of="connections",reason="full",result="refused"} 1
dialnote_held_back_total{of="connections",reason="full",result="waits"} 0
dialnote_held_back_total{of="connections",reason="share",result="refused"} 3
dialnote_held_back_total{of="connections",reason="share",result="waits"} 0
`
	registry := prometheus.NewRegistry()
	registry.MustRegister(s)
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "dialnote_held_back_total"); err != nil {
		t.Error(err)
	}
}

func TestConnectionsAreForgotten(t *testing.T) {
	t.Parallel()
	s := serveBounded(t, 100, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	for n := range 20 {
		c := s.dial(t, 1+n%3)
		write(t, c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
		if text := answer(t, c); text != "hello" {
			t.Errorf("answered %q", text)
		}
		_ = c.Close()
	}
	s.awaitState(t, 0, 0)
	if len(s.lines) != 0 {
		t.Errorf("%d networks are known", len(s.lines))
	}
}

func TestClientNetwork(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"203.0.113.7": "203.0.113.7", "::ffff:203.0.113.7": "203.0.113.7",
		"2001:db8::1": "2001:db8::/64", "2001:db8::ffff:1%eth0": "2001:db8::/64", "2001:db8:0:1::1": "2001:db8:0:1::/64",
	} {
		if got := ClientNetwork(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s counts as %s, want %s", addr, got, want)
		}
	}
}

// A request's headers are bounded in size and in time.
func TestServerLimits(t *testing.T) {
	t.Parallel()
	srv := newServer(http.NotFoundHandler())
	if srv.ReadHeaderTimeout <= 0 || srv.ReadTimeout <= 0 || srv.IdleTimeout <= 0 || srv.MaxHeaderBytes <= 0 {
		t.Errorf("the server has no limit somewhere: %+v", srv)
	}
	s := serveBounded(t, 8, func(http.ResponseWriter, *http.Request) { t.Error("the request was handled") })
	c := s.dial(t, 1)
	write(t, c, "GET / HTTP/1.1\r\nHost: x\r\n")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() { // headers without end
		for n := 0; ctx.Err() == nil; n++ {
			if _, err := fmt.Fprintf(c, "X-%d: %0900d\r\n", n, n); err != nil {
				return
			}
		}
	}()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err == nil {
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("answered %d", resp.StatusCode)
		}
	} // or the connection was reset before the answer could be read
}
