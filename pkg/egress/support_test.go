package egress

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/endpoint"
)

// short is a deadline that a test waits for.
const short = 300 * time.Millisecond

// local allows what the tests' own servers are.
var local = endpoint.Policy{AllowHTTP: true, AllowPrivate: true}

// client returns a Client for the tests' own servers.
func client(tb testing.TB, set func(*Config)) *Client {
	tb.Helper()
	cfg := Config{Timeout: 20 * time.Second, Policy: local, UserAgent: "DialNote-Webhooks/test"}
	if set != nil {
		set(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	return c
}

func post(url string) Request {
	return Request{Method: http.MethodPost, URL: url, Fields: delivery.Fields{{Name: "Content-Type", Value: "application/json"}}, Body: []byte(`{"id":"evt_1"}`)}
}

// serve starts an HTTP server that has read the request's body when it calls
// the handler, so that the handler sees the client leave.
func serve(tb testing.TB, handle http.HandlerFunc) *httptest.Server {
	tb.Helper()
	s := httptest.NewServer(readFirst(handle))
	tb.Cleanup(s.Close)
	return s
}

func readFirst(handle http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		handle(w, r)
	}
}

// listener is a server of bare connections that counts them.
type listener struct {
	net.Listener
	accepted atomic.Int64
}

// listen serves each connection with handle and closes it afterwards.
func listen(tb testing.TB, network, address string, handle func(*net.TCPConn)) *listener {
	tb.Helper()
	raw, err := new(net.ListenConfig).Listen(tb.Context(), network, address)
	if err != nil {
		tb.Fatal(err)
	}
	l := &listener{Listener: raw}
	tb.Cleanup(func() { _ = raw.Close() })
	go func() {
		for {
			c, err := raw.Accept()
			if err != nil {
				return
			}
			l.accepted.Add(1)
			go func() {
				defer c.Close()
				handle(c.(*net.TCPConn))
			}()
		}
	}()
	return l
}

func (l *listener) port() string {
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func (l *listener) url() string { return "http://" + l.Addr().String() + "/hook" }

// request reads one request from a connection; nil when there is none.
func request(r *bufio.Reader) *http.Request {
	req, err := http.ReadRequest(r)
	if err != nil {
		return nil
	}
	if _, err := io.Copy(io.Discard, req.Body); err != nil {
		return nil
	}
	return req
}

// answer returns a handler that answers each request of a connection with the
// same bytes.
func answer(bytes string) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		r := bufio.NewReader(c)
		for request(r) != nil {
			if _, err := io.WriteString(c, bytes); err != nil {
				return
			}
		}
	}
}

// want checks how an attempt ended.
func want(tb testing.TB, out delivery.Outcome, reason delivery.Reason, message string) {
	tb.Helper()
	result := delivery.Failed
	if reason == "" {
		result = delivery.Succeeded
	}
	if out.Result != result || out.Reason != reason || out.Message != message {
		tb.Fatalf("%s %s %q (%v), want %s %s %q", out.Result, out.Reason, out.Message, out.Cause, result, reason, message)
	}
	if out.Phases.Total <= 0 && out.Reason != delivery.ReasonBlockedAddress {
		tb.Fatalf("no total time: %+v", out.Phases)
	}
}
