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

	"github.com/dialnote/webhooks/pkg/delivery"
)

const done = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

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
	many := listen(t, "tcp", "127.0.0.1:0", answer(strings.Repeat(hint, 100)+done))
	want(t, c.Send(t.Context(), post(many.url())), "", "")
	endless := listen(t, "tcp", "127.0.0.1:0", func(conn *net.TCPConn) {
		request(bufio.NewReader(conn))
		for err := error(nil); err == nil; {
			_, err = io.WriteString(conn, hint)
		}
	})
	want(t, c.Send(t.Context(), post(endless.url())), delivery.ReasonProtocol, "Server's answer is not valid HTTP, or its headers are too long")
}

// A connection that was closed while it was idle is not tried at all.
func TestAnIdleConnectionThatEndedIsNotUsed(t *testing.T) {
	t.Parallel()
	for name, goodbye := range map[string]string{"closed": "", "an answer without a request": "HTTP/1.1 408 Request Timeout\r\n\r\n"} {
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

// The connection on which HTTP/2 turned out to be spoken is used for it.
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
	if http1, http2 := c.http1.Idle(), c.http2.Conns(); http1 != 0 || http2 != 1 {
		t.Errorf("%d connections of HTTP/1.1 and %d of HTTP/2 are kept", http1, http2)
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
	for _, size := range []int{100, 32 << 10, 32<<10 + 1, 8 << 20} {
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
