package egress

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/endpoint"
)

// A name that is public, or does not exist, when its webhook is saved may be
// anything when the webhook is sent.
func TestRebindingBetweenSavingAndSending(t *testing.T) {
	t.Parallel()
	internal := listen(t, "tcp", "127.0.0.1:0", answer("HTTP/1.1 200 OK\r\n\r\n"))
	ns := newNameserver(t, map[string][][]string{"hooks.example.com": {{"127.0.0.1"}, {"93.184.215.14", "10.0.0.1"}, {"169.254.169.254"}}})
	url := "https://hooks.example.com:" + internal.port() + "/"
	if err := (endpoint.Policy{}).Check(url); err != nil {
		t.Fatalf("saving: %v", err)
	}
	c := client(t, func(cfg *Config) { cfg.Resolver, cfg.Policy = ns.resolver(), endpoint.Policy{} })
	for range 3 {
		want(t, c.Send(t.Context(), post(url)), delivery.ReasonBlockedAddress, "Address not allowed: hooks.example.com does not lead to a public address")
	}
	if n := ns.count("hooks.example.com"); n != 3 {
		t.Errorf("%d lookups for 3 attempts: an attempt is judged by its own", n)
	}
	untouched(t, internal)
}

// Whatever a redirect names, it is an answer and not an errand.
func TestRedirectInwards(t *testing.T) {
	t.Parallel()
	internal := listen(t, "tcp", "127.0.0.1:0", answer("HTTP/1.1 200 OK\r\n\r\n"))
	for _, location := range []string{internal.url(), "http://169.254.169.254/latest/meta-data/", "//localhost/", "file:///etc/passwd", "gopher://127.0.0.1/"} {
		for _, status := range []int{301, 302, 303, 307, 308} {
			s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", location)
				w.WriteHeader(status)
			})
			out := client(t, nil).Send(t.Context(), post(s.URL))
			if out.Reason != delivery.ReasonRedirect || out.StatusCode != status {
				t.Errorf("%d to %s: %+v", status, location, out)
			}
		}
	}
	untouched(t, internal)
}

// Receivers that want to cost something: each costs bounded memory and ends
// long before the deadline, or with it. Not parallel: it measures memory.
func TestHostileAnswersAreBounded(t *testing.T) {
	const each, most = 8, 2 << 20 // attempts of each kind, bytes that one attempt may allocate
	endless := func(head, line string) func(*net.TCPConn) {
		var lines strings.Builder // made beforehand: what the servers allocate is measured too
		for n := range 100 {
			fmt.Fprintf(&lines, line, n)
		}
		block := []byte(lines.String())
		return func(c *net.TCPConn) {
			request(bufio.NewReader(c))
			_, err := io.WriteString(c, head)
			for err == nil {
				_, err = c.Write(block)
			}
		}
	}
	padding := strings.Repeat("a", 4000)
	ca := newAuthority(t)
	http2 := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{ca.issue(t, nil)}}, true, func(w http.ResponseWriter, _ *http.Request) {
		for n := range 2000 {
			w.Header().Set(fmt.Sprintf("X-Padding-%d", n), padding)
		}
	})
	for _, tt := range []struct {
		name   string
		url    string
		reason delivery.Reason
	}{
		{"endless headers", listen(t, "tcp", "127.0.0.1:0", endless("HTTP/1.1 200 OK\r\n", "X-%d: "+padding+"\r\n")).url(), delivery.ReasonProtocol},
		{"endless header line", listen(t, "tcp", "127.0.0.1:0", endless("HTTP/1.1 200 OK\r\nX-Padding: ", "%d"+padding)).url(), delivery.ReasonProtocol},
		{"endless status line", listen(t, "tcp", "127.0.0.1:0", endless("HTTP/1.1 200 ", "%d"+padding)).url(), delivery.ReasonProtocol},
		{"endless hints", listen(t, "tcp", "127.0.0.1:0", endless("", "HTTP/1.1 103 Early Hints\r\nX-%d: "+padding+"\r\n\r\n")).url(), delivery.ReasonProtocol},
		{"endless chunk size", listen(t, "tcp", "127.0.0.1:0", endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "%09d"+padding)).url(), ""},
		{"endless trailer", listen(t, "tcp", "127.0.0.1:0", endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "X-%d: "+padding+"\r\n")).url(), ""},
		{"endless body", listen(t, "tcp", "127.0.0.1:0", endless("HTTP/1.1 200 OK\r\n\r\n", "%d"+padding)).url(), ""},
		{"8 MB of headers over HTTP/2", http2.URL, delivery.ReasonProtocol},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := client(t, func(cfg *Config) { cfg.RootCAs = ca.pool() })
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range each {
				out := c.Send(t.Context(), post(tt.url))
				if out.Reason != tt.reason {
					t.Fatalf("%s %s (%v)", out.Result, out.Reason, out.Cause)
				}
				if out.Phases.Total > 10*time.Second {
					t.Fatalf("only the deadline ended it, after %s", out.Phases.Total)
				}
			}
			runtime.ReadMemStats(&after)
			// The servers run in this process too and allocate as they like: what
			// they write is counted here as well.
			if used := after.TotalAlloc - before.TotalAlloc; used > each*most && tt.url != http2.URL {
				t.Errorf("an attempt took %d bytes of memory", used/each)
			}
		})
	}
}
