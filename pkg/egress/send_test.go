package egress

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/endpoint"
)

func TestRequestOnTheWire(t *testing.T) {
	t.Parallel()
	received := make(chan []byte, 1)
	s := listen(t, "tcp", "127.0.0.1:0", func(c *net.TCPConn) {
		var got bytes.Buffer
		if request(bufio.NewReader(io.TeeReader(c, &got))) == nil {
			return
		}
		received <- got.Bytes()
		_, _ = io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n")
	})
	body := []byte("{\"name\":\"J\u00fcrgen \u2028 <&>\",\"n\":1e21}")
	fields := delivery.Fields{
		{Name: "Content-Type", Value: "application/json"},
		{Name: "X-DialNote-Signature", Value: "sha256=abc"},
		{Name: "X-DialNote-Event", Value: "call.completed"},
		{Name: "webhook-id", Value: "evt_1"},
	}
	out := client(t, nil).Send(t.Context(), Request{Method: http.MethodPost, URL: s.url() + "/\u00e4?q=\u00f6", Fields: fields, Body: body})
	want(t, out, "", "")

	head, sent, _ := strings.Cut(string(<-received), "\r\n\r\n")
	if sent != string(body) {
		t.Errorf("sent %q, want the signed bytes %q", sent, body)
	}
	lines := strings.Split(head, "\r\n")
	if lines[0] != "POST /hook/%C3%A4?q=%C3%B6 HTTP/1.1" {
		t.Errorf("request line %q", lines[0])
	}
	expected := map[string]bool{
		"Host: " + s.Addr().String(): true, "User-Agent: DialNote-Webhooks/test": true, "Content-Length: 35": true, "Accept: */*": true,
		"Content-Type: application/json": true, "X-DialNote-Signature: sha256=abc": true, "X-DialNote-Event: call.completed": true, "webhook-id: evt_1": true,
	}
	if len(body) != 35 {
		t.Fatalf("the body has %d bytes", len(body))
	}
	for _, line := range lines[1:] {
		if !expected[line] {
			t.Errorf("unexpected header %q", line)
		}
		delete(expected, line)
	}
	for line := range expected {
		t.Errorf("no header %q", line)
	}
}

func TestNoBody(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodDelete || r.ContentLength != 0 {
			w.WriteHeader(http.StatusTeapot)
		}
	})
	want(t, client(t, nil).Send(t.Context(), Request{Method: http.MethodDelete, URL: s.URL}), "", "")
}

func TestSuccess(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Answer", "yes")
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, "thanks")
	})
	c := client(t, nil)
	first := c.Send(t.Context(), post(s.URL))
	want(t, first, "", "")
	if first.StatusCode != http.StatusAccepted || string(first.Response.Body) != "thanks" || first.Response.Truncated {
		t.Errorf("kept %+v", first.Response)
	}
	if http.Header(first.Response.Header).Get("X-Answer") != "yes" {
		t.Errorf("kept headers %v", first.Response.Header)
	}
	if "http://"+first.RemoteAddr != s.URL {
		t.Errorf("remote address %q, want that of %s", first.RemoteAddr, s.URL)
	}
	if p := first.Phases; p.Connect <= 0 || p.TLS != 0 || p.FirstByte <= 0 || p.Connect+p.FirstByte > p.Total {
		t.Errorf("phases %+v", p)
	}

	second := c.Send(t.Context(), post(s.URL))
	want(t, second, "", "")
	if p := second.Phases; p.Connect != 0 || p.Resolve != 0 || p.FirstByte <= 0 || second.RemoteAddr != first.RemoteAddr {
		t.Errorf("a kept connection: phases %+v, address %q", p, second.RemoteAddr)
	}
}

func TestConnectionsAreKept(t *testing.T) {
	t.Parallel()
	for name, bytes := range map[string]string{
		"no body":    "HTTP/1.1 204 No Content\r\n\r\n",
		"small body": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"chunked":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"more than is kept": "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 30000\r\n\r\n" +
			strings.Repeat("x", 30000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := listen(t, "tcp", "127.0.0.1:0", answer(bytes))
			c := client(t, nil)
			for range 10 {
				if out := c.Send(t.Context(), post(s.url())); out.StatusCode == 0 {
					t.Fatal(out.Message, out.Cause)
				}
			}
			if n := s.accepted.Load(); n != 1 {
				t.Fatalf("%d connections for 10 requests", n)
			}
		})
	}
}

// A receiver may close a kept connection just as the next request goes out.
// That is no failure of its own: the request is sent again on a new connection.
func TestKeptConnectionClosedUnderTheRequest(t *testing.T) {
	t.Parallel()
	s := listen(t, "tcp", "127.0.0.1:0", func(c *net.TCPConn) {
		r := bufio.NewReader(c)
		if request(r) == nil {
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		request(r) // and close without an answer
	})
	c := client(t, nil)
	for i := range 3 {
		out := c.Send(t.Context(), post(s.url()))
		want(t, out, "", "")
		if out.SentTwice != (i > 0) {
			t.Errorf("request %d: sent twice: %t", i, out.SentTwice)
		}
		if n := s.accepted.Load(); n != int64(i+1) {
			t.Fatalf("%d connections after %d requests", n, i+1)
		}
	}
}

func TestBrokenOff(t *testing.T) {
	t.Parallel()
	const message = "Server closed the connection without a complete answer"
	for name, handle := range map[string]func(*net.TCPConn){
		"closed at once":         func(*net.TCPConn) {},
		"closed after a request": func(c *net.TCPConn) { request(bufio.NewReader(c)) },
		"reset": func(c *net.TCPConn) {
			request(bufio.NewReader(c))
			_ = c.SetLinger(0)
		},
		"closed within the headers": func(c *net.TCPConn) {
			request(bufio.NewReader(c))
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nX-A: b")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := listen(t, "tcp", "127.0.0.1:0", handle)
			want(t, client(t, nil).Send(t.Context(), post(s.url())), delivery.ReasonReset, message)
			if n := s.accepted.Load(); n != 1 {
				t.Errorf("%d connections: a new connection's failure was tried again", n)
			}
		})
	}
}

func TestNotHTTP(t *testing.T) {
	t.Parallel()
	const message = "Server's answer is not valid HTTP, or its headers are too long"
	endless := func(c *net.TCPConn) {
		request(bufio.NewReader(c))
		_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\n")
		for err == nil {
			_, err = io.WriteString(c, "X-Padding: "+strings.Repeat("a", 1000)+"\r\n")
		}
	}
	for name, handle := range map[string]func(*net.TCPConn){
		"garbage":          answer("SSH-2.0-OpenSSH_9.9\r\n"),
		"bad status":       answer("HTTP/1.1 OK\r\n\r\n"),
		"bad header":       answer("HTTP/1.1 200 OK\r\nno colon\r\n\r\n"),
		"endless headers":  endless,
		"two body lengths": answer("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := listen(t, "tcp", "127.0.0.1:0", handle)
			want(t, client(t, nil).Send(t.Context(), post(s.url())), delivery.ReasonProtocol, message)
		})
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	target := listen(t, "tcp", "127.0.0.1:0", answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, target.url(), http.StatusTemporaryRedirect)
	})
	out := client(t, nil).Send(t.Context(), post(s.URL))
	want(t, out, delivery.ReasonRedirect, "Server answered 307 Temporary Redirect: it redirected to another address, and webhooks are not redirected")
	untouched(t, target)
}

func TestCookiesAreNotKept(t *testing.T) {
	t.Parallel()
	var cookies atomic.Int64
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		cookies.Add(int64(len(r.Cookies())))
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
	})
	c := client(t, nil)
	for range 2 {
		want(t, c.Send(t.Context(), post(s.URL)), "", "")
	}
	if n := cookies.Load(); n != 0 {
		t.Fatalf("%d cookies were sent", n)
	}
}

func TestRetryAfterIsRead(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "90")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	out := client(t, nil).Send(t.Context(), post(s.URL))
	want(t, out, delivery.ReasonServerError, "Server answered 503 Service Unavailable")
	if out.RetryAfter != 90*time.Second {
		t.Fatalf("RetryAfter %s", out.RetryAfter)
	}
}

func TestConnectionRefused(t *testing.T) {
	t.Parallel()
	s := listen(t, "tcp", "127.0.0.1:0", func(*net.TCPConn) {})
	_ = s.Close()
	out := client(t, nil).Send(t.Context(), post(s.url()))
	want(t, out, delivery.ReasonConnect, "The server refused the connection: 127.0.0.1")
	if out.RemoteAddr != "" || out.Phases.Connect <= 0 {
		t.Errorf("address %q, phases %+v", out.RemoteAddr, out.Phases)
	}
}

func TestDeadline(t *testing.T) {
	t.Parallel()
	const message = "No answer within 300ms"
	wait := func(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) }
	drip := func(c *net.TCPConn) {
		request(bufio.NewReader(c))
		_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nX-Drip: ")
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for ; err == nil; _, err = c.Write([]byte{'x'}) {
			<-tick.C
		}
	}
	for name, tt := range map[string]struct {
		scheme string
		handle func(*net.TCPConn)
	}{
		"no answer":        {"http://", wait},
		"dripping headers": {"http://", drip},
		"no handshake":     {"https://", wait},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := listen(t, "tcp", "127.0.0.1:0", tt.handle)
			c := client(t, func(cfg *Config) { cfg.Timeout = short })
			out := c.Send(t.Context(), post(tt.scheme+s.Addr().String()))
			want(t, out, delivery.ReasonTimeout, message)
			if out.Phases.Total < short || !errors.Is(out.Cause, errDeadline) && !errors.Is(out.Cause, context.DeadlineExceeded) {
				t.Errorf("after %s: %v", out.Phases.Total, out.Cause)
			}
		})
	}
}

func TestDeadlineInWords(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		30 * time.Second: "30 seconds", time.Second: "1 second", 1500 * time.Millisecond: "1.5s", 2 * time.Minute: "120 seconds",
	} {
		if got := inWords(d); got != want {
			t.Errorf("inWords(%s) = %q", d, got)
		}
	}
}

func TestCallerCancels(t *testing.T) {
	t.Parallel()
	reason := errors.New("shutting down")
	arrived := make(chan struct{})
	s := listen(t, "tcp", "127.0.0.1:0", func(c *net.TCPConn) {
		r := bufio.NewReader(c)
		request(r)
		close(arrived)
		request(r)
	})
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-arrived
		cancel(reason)
	}()
	out := client(t, nil).Send(ctx, post(s.url()))
	if out.Result != "" || out.Reason != "" || out.Message != "" || !errors.Is(out.Cause, ErrCanceled) || !errors.Is(out.Cause, reason) {
		t.Fatalf("a canceled request is an outcome: %+v", out)
	}
}

func TestCallersDeadlineIsNoTimeout(t *testing.T) {
	t.Parallel()
	s := listen(t, "tcp", "127.0.0.1:0", func(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) })
	ctx, cancel := context.WithTimeout(t.Context(), short)
	defer cancel()
	if out := client(t, nil).Send(ctx, post(s.url())); out.Result != "" || !errors.Is(out.Cause, ErrCanceled) {
		t.Fatalf("%+v", out)
	}
}

// What the endpoint answered counts, even if the caller leaves while the body
// is being read.
func TestCancelAfterTheStatus(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s := listen(t, "tcp", "127.0.0.1:0", func(c *net.TCPConn) {
		r := bufio.NewReader(c)
		request(r)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nab")
		request(r)
	})
	c := client(t, nil)
	done := make(chan delivery.Outcome, 1)
	reading := make(chan struct{})
	c.scratch.New = func() any { close(reading); return new(make([]byte, 4<<10)) }
	go func() { done <- c.Send(ctx, post(s.url())) }()
	<-reading // the status has come, the body is being read
	cancel()
	out := <-done
	want(t, out, "", "")
	if !out.Response.Truncated {
		t.Error("the body is not marked as cut")
	}
}

func TestRequestThatCannotBeSent(t *testing.T) {
	t.Parallel()
	s := listen(t, "tcp", "127.0.0.1:0", func(*net.TCPConn) {})
	c := client(t, nil)
	for name, change := range map[string]func(*Request){
		"two lines in a value": func(r *Request) { r.Fields = delivery.Fields{{Name: "X-Bad", Value: "a\r\nb"}} },
		"two lines in a name":  func(r *Request) { r.Fields = delivery.Fields{{Name: "X-Bad\r\nX-Worse", Value: "a"}} },
		"no name":              func(r *Request) { r.Fields = delivery.Fields{{Value: "a"}} },
		"another length":       func(r *Request) { r.Fields = delivery.Fields{{Name: "content-length", Value: "0"}} },
		"another framing":      func(r *Request) { r.Fields = delivery.Fields{{Name: "Transfer-encoding", Value: "chunked"}} },
		"another host":         func(r *Request) { r.Fields = delivery.Fields{{Name: "host", Value: "example.com"}} },
		"a method of two":      func(r *Request) { r.Method = "GET /" },
		"a query of two lines": func(r *Request) {
			r.Normal = &url.URL{Scheme: "http", Host: s.Addr().String(), Path: "/", RawQuery: "a\r\nX-Bad: b"}
		},
		"a query with a space": func(r *Request) {
			r.Normal = &url.URL{Scheme: "http", Host: s.Addr().String(), Path: "/", RawQuery: "a b"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := post(s.url())
			change(&r)
			want(t, c.Send(t.Context(), r), delivery.ReasonInternal, "The request could not be sent, for a reason on our side")
		})
	}
	untouched(t, s)
}

func TestURLThatIsNotAllowed(t *testing.T) {
	t.Parallel()
	s := listen(t, "tcp", "127.0.0.1:0", func(*net.TCPConn) {})
	c := client(t, func(cfg *Config) { cfg.Policy = endpoint.Policy{} })
	for url, message := range map[string]string{
		s.url():                               "The URL must start with https://.",
		"https://" + s.Addr().String():        "The URL's address is not allowed: it is private or reserved, not a public address.",
		"https://localhost:" + s.port():       "The URL's host is only known in a local network. Use a public host name.",
		"https://u:p@example.com/":            "The URL must not contain a user name or password.",
		"https://[::ffff:7f00:1]:" + s.port(): "The URL's host is an IPv4 address written as IPv6. Write it as IPv4.",
	} {
		want(t, c.Send(t.Context(), post(url)), delivery.ReasonBlockedAddress, message)
	}
	untouched(t, s)
}

// untouched checks that a server has accepted no connection: one that is made now
// must be its first.
func untouched(tb testing.TB, l *listener) {
	tb.Helper()
	before := l.accepted.Load()
	c, err := new(net.Dialer).DialContext(tb.Context(), l.Addr().Network(), l.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	defer c.Close()
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		tb.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, c); err != nil {
		tb.Fatal(err)
	}
	if n := l.accepted.Load(); before != 0 || n != 1 {
		tb.Errorf("%d connections were made", n-1)
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("slow") != "" {
			<-r.Context().Done()
			return
		}
		_, _ = io.WriteString(w, "ok")
	})
	c := client(t, func(cfg *Config) { cfg.Timeout = 2 * time.Second })
	results := make(chan delivery.Outcome)
	for i := range 64 {
		go func() {
			url := s.URL
			if i%8 == 0 {
				url += "/?slow=1"
			}
			results <- c.Send(t.Context(), post(url))
		}()
	}
	count := map[delivery.Reason]int{}
	for range 64 {
		count[(<-results).Reason]++
	}
	if count[""] != 56 || count[delivery.ReasonTimeout] != 8 {
		t.Fatalf("outcomes %v", count)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, cfg := range map[string]Config{
		"negative timeout":      {Timeout: -1},
		"negative idle":         {MaxIdle: -1},
		"keeps more than reads": {MaxAnswer: 10, KeepAnswer: 11},
		"no CA file":            {ExtraCAFile: empty + ".absent"},
		"empty CA file":         {ExtraCAFile: empty},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: New accepts", name)
		}
	}
}
