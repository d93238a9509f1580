package egress

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
)

const done = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

// age makes idle connections as old as if they had been idle for longer.
func age(c *Client, longer time.Duration) {
	c.wires.mu.Lock()
	defer c.wires.mu.Unlock()
	for e := c.wires.order.Front(); e != nil; e = e.Next() {
		x := e.Value.(*wire)
		x.since = x.since.Add(-longer)
	}
}

func TestInterimAnswers(t *testing.T) {
	t.Parallel()
	const hint = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
	c := client(t, nil)
	few := listen(t, "tcp", "127.0.0.1:0", answer("HTTP/1.1 100 Continue\r\n\r\n"+hint+done))
	for range 2 {
		out := c.Send(t.Context(), post(few.url()))
		want(t, out, "", "")
		if out.StatusCode != http.StatusOK || len(out.Response.Header["Link"]) > 0 {
			t.Errorf("answered %d, %v", out.StatusCode, out.Response.Header)
		}
	}
	if n := few.accepted.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
	many := listen(t, "tcp", "127.0.0.1:0", answer(strings.Repeat(hint, mostInterim+1)+done))
	want(t, c.Send(t.Context(), post(many.url())), delivery.ReasonProtocol, "Server's answer is not valid HTTP, or its headers are too long")
}

// A connection that was closed while it was idle is not tried at all.
func TestAnIdleConnectionThatEndedIsNotUsed(t *testing.T) {
	t.Parallel()
	for name, goodbye := range map[string]string{"closed": "", "a word nobody asked for": "HTTP/1.1 408 Request Timeout\r\n\r\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var late atomic.Int64 // bytes that came after the goodbye
			var gone sync.WaitGroup
			gone.Add(2)
			ended := make(chan struct{}, 2)
			s := listen(t, "tcp", "127.0.0.1:0", func(conn *net.TCPConn) {
				defer gone.Done()
				request(bufio.NewReader(conn))
				_, _ = io.WriteString(conn, done+goodbye)
				_ = conn.CloseWrite()
				ended <- struct{}{}
				n, _ := io.Copy(io.Discard, conn) // until the other side closes
				late.Add(n)
			})
			c := client(t, nil)
			for range 2 {
				want(t, c.Send(t.Context(), post(s.url())), "", "")
				<-ended
				age(c, lately)
			}
			c.Close()
			gone.Wait()
			if n := late.Load(); n > 0 {
				t.Errorf("%d bytes were sent over a connection that had ended", n)
			}
			if n := s.accepted.Load(); n != 2 {
				t.Errorf("%d connections for 2 requests", n)
			}
		})
	}
}

// A connection on which the next answer could be taken for another one, or that
// the server means to end, is not used again.
func TestAConnectionThatIsNotToBeUsedAgain(t *testing.T) {
	t.Parallel()
	for name, said := range map[string]string{
		"more than an answer": done + "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
		"the end announced":   "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
		"an older protocol":   "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
		"another protocol":    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := listen(t, "tcp", "127.0.0.1:0", answer(said))
			c := client(t, nil)
			first := c.Send(t.Context(), post(s.url()))
			if again := c.Send(t.Context(), post(s.url())); again.StatusCode != first.StatusCode || again.StatusCode == 0 {
				t.Errorf("answered %d, then %d", first.StatusCode, again.StatusCode)
			}
			if n := s.accepted.Load(); n != 2 {
				t.Errorf("%d connections for 2 requests", n)
			}
		})
	}
}

// Each of several requests at once makes a connection; only some are kept, those
// that were used last.
func TestIdleConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	c := client(t, func(cfg *Config) { cfg.MaxIdle, cfg.MaxIdlePerHost = 3, 2 })
	together := func(n int) *listener {
		var here sync.WaitGroup
		here.Add(n)
		s := listen(t, "tcp", "127.0.0.1:0", func(conn *net.TCPConn) {
			r := bufio.NewReader(conn)
			if request(r) == nil {
				return
			}
			here.Done()
			here.Wait()
			_, _ = io.WriteString(conn, done)
			request(r)
		})
		var all sync.WaitGroup
		for range n {
			all.Go(func() { want(t, c.Send(t.Context(), post(s.url())), "", "") })
		}
		all.Wait()
		return s
	}
	count := func(s *listener) int {
		c.wires.mu.Lock()
		defer c.wires.mu.Unlock()
		return len(c.wires.idle[server{host: s.Addr().String()}])
	}
	first := together(5)
	if n := count(first); n != 2 {
		t.Errorf("%d connections to one server are kept, want 2", n)
	}
	second := together(5)
	if a, b := count(first), count(second); a != 1 || b != 2 {
		t.Errorf("%d and %d connections are kept, want 1 and 2", a, b)
	}
	if left := c.wires.expired(time.Now().Add(-idleTimeout)); len(left) > 0 {
		t.Errorf("%d connections ended before their time", len(left))
	}
	age(c, idleTimeout)
	c.wires.sweep()
	if a, b := count(first), count(second); a+b != 0 || len(c.wires.idle) != 0 || c.wires.sweeper != nil {
		t.Errorf("%d and %d connections are kept after their time", a, b)
	}
}

// The connection on which HTTP/2 turned out to be spoken is used for it, and
// what is known is forgotten when the server changes its mind.
func TestHTTP2IsFoundOut(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	seen := make(chan string, 10)
	s := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{ca.issue(t, nil)}}, true, func(_ http.ResponseWriter, r *http.Request) {
		seen <- r.RemoteAddr + " " + r.Proto
	})
	c := client(t, func(cfg *Config) { cfg.RootCAs = ca.pool() })
	want(t, c.Send(t.Context(), post(s.URL)), "", "")
	first := <-seen
	for range 3 {
		want(t, c.Send(t.Context(), post(s.URL)), "", "")
		if again := <-seen; again != first || !strings.HasSuffix(again, "HTTP/2.0") {
			t.Errorf("sent over %s, then over %s", first, again)
		}
	}
	if len(c.wires.fresh) != 0 || len(c.wires.idle) != 0 {
		t.Errorf("kept %v, %v", c.wires.fresh, c.wires.idle)
	}
}

// What is forgotten while it is being used leaves no connection behind.
func TestHTTP2IsForgottenMeanwhile(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	var c *Client
	s := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{ca.issue(t, nil)}}, true, func(_ http.ResponseWriter, r *http.Request) {
		c.wires.unlearn(server{secure: true, host: r.Host})
	})
	c = client(t, func(cfg *Config) { cfg.RootCAs = ca.pool() })
	for range 2 { // the second finds out once more, and the connection of the first is there
		want(t, c.Send(t.Context(), post(s.URL)), "", "")
	}
	if n := len(c.wires.fresh); n != 0 {
		t.Errorf("%d connections are left", n)
	}
}

func TestHTTP1OverTLSIsKept(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	var from sync.Map
	s := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{ca.issue(t, nil)}}, false, func(_ http.ResponseWriter, r *http.Request) {
		from.Store(r.RemoteAddr, nil)
	})
	c := client(t, func(cfg *Config) { cfg.RootCAs = ca.pool() })
	for range 5 {
		want(t, c.Send(t.Context(), post(s.URL)), "", "")
		age(c, lately) // so that it is looked at before it is used again
	}
	n := 0
	from.Range(func(any, any) bool { n++; return true })
	if n != 1 {
		t.Errorf("%d connections for 5 requests", n)
	}
}

// A server that answers before it has read everything, and hangs up, is heard.
func TestAnswerBeforeTheEndOfTheRequest(t *testing.T) {
	t.Parallel()
	for _, size := range []int{100, wireBody, wireBody + 1, 8 << 20} {
		s := listen(t, "tcp", "127.0.0.1:0", func(conn *net.TCPConn) {
			_, _ = http.ReadRequest(bufio.NewReaderSize(conn, 1<<10))
			_, _ = io.WriteString(conn, "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
			_ = conn.CloseWrite()
			_, _ = io.Copy(io.Discard, conn) // a reset would take the answer with it
		})
		r := post(s.url())
		r.Body = bytes.Repeat([]byte("x"), size)
		if out := client(t, nil).Send(t.Context(), r); out.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%d bytes: %d %s (%v)", size, out.StatusCode, out.Message, out.Cause)
		}
	}
}
