package egress

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
)

func TestKeptBody(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("0123456789abcdef", DefaultMaxAnswer/16)
	for name, tt := range map[string]struct {
		body string
		cut  bool
	}{
		"none":                {"", false},
		"short":               {"ok", false},
		"all that is kept":    {long[:DefaultKeepAnswer], false},
		"one more":            {long[:DefaultKeepAnswer+1], true},
		"all that is read":    {long, true},
		"more than is read":   {long + "x", true},
		"much more than that": {strings.Repeat(long, 8), true},
	} {
		for _, packed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, packed %t", name, packed), func(t *testing.T) {
				t.Parallel()
				s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
					if !packed {
						_, _ = io.WriteString(w, tt.body)
						return
					}
					w.Header().Set("Content-Encoding", "gzip")
					zip := gzip.NewWriter(w)
					_, _ = io.WriteString(zip, tt.body)
					_ = zip.Close()
				})
				out := client(t, nil).Send(t.Context(), post(s.URL))
				want(t, out, "", "")
				if kept := tt.body[:min(len(tt.body), DefaultKeepAnswer)]; string(out.Response.Body) != kept || out.Response.Truncated != tt.cut {
					t.Errorf("kept %d bytes, cut %t; want %d, %t", len(out.Response.Body), out.Response.Truncated, len(kept), tt.cut)
				}
			})
		}
	}
}

func TestLimitsCanBeSet(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "0123456789") })
	c := client(t, func(cfg *Config) { cfg.MaxAnswer, cfg.KeepAnswer = 5, 3 })
	out := c.Send(t.Context(), post(s.URL))
	want(t, out, "", "")
	if string(out.Response.Body) != "012" || !out.Response.Truncated {
		t.Fatalf("kept %+v", out.Response)
	}
}

// Bodies that do not end well change nothing about what the status said.
func TestBodiesThatDoNotEnd(t *testing.T) {
	t.Parallel()
	wait := func(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) }
	drip := func(c *net.TCPConn) {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for err := error(nil); err == nil; _, err = io.WriteString(c, "x") {
			<-tick.C
		}
	}
	for _, status := range []string{"200 OK", "500 Internal Server Error"} {
		for name, tt := range map[string]struct {
			head   string
			rest   func(*net.TCPConn)
			begins string
			waits  bool
		}{
			"never ends":   {"Content-Length: 10\r\n\r\nab", wait, "ab", true},
			"never begins": {"Content-Length: 10\r\n\r\n", wait, "", true},
			"drips":        {"Content-Length: 10000\r\n\r\n", drip, "x", true},
			"closed":       {"Content-Length: 10\r\n\r\nab", func(*net.TCPConn) {}, "ab", false},
			"reset":        {"Content-Length: 10\r\n\r\n", func(c *net.TCPConn) { _ = c.SetLinger(0) }, "", false},
			"bad chunk":    {"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\nzz\r\n", wait, "ok", false},
			"not gzip":     {"Content-Encoding: gzip\r\nContent-Length: 13\r\n\r\nabcdefghijkl", func(*net.TCPConn) {}, "abcdefghijkl", false},
			"gzip drips":   {"Content-Encoding: gzip\r\nContent-Length: 10000\r\n\r\n\x1f\x8b\x08\x00", wait, "", true},
		} {
			t.Run(status+" "+name, func(t *testing.T) {
				t.Parallel()
				s := listen(t, "tcp", "127.0.0.1:0", func(c *net.TCPConn) {
					request(bufio.NewReader(c))
					_, _ = io.WriteString(c, "HTTP/1.1 "+status+"\r\n"+tt.head)
					tt.rest(c)
				})
				c := client(t, func(cfg *Config) {
					if tt.waits {
						cfg.Timeout = short
					}
				})
				out := c.Send(t.Context(), post(s.url()))
				if status == "200 OK" {
					want(t, out, "", "")
				} else {
					want(t, out, delivery.ReasonServerError, "Server answered "+status)
				}
				if !out.Response.Truncated || !strings.HasPrefix(string(out.Response.Body), tt.begins) {
					t.Errorf("kept %q, cut %t", out.Response.Body, out.Response.Truncated)
				}
				if took := out.Phases.Total; tt.waits && took < short || took > 10*time.Second {
					t.Errorf("it took %s", took)
				}
			})
		}
	}
}

// A bomb costs neither memory nor time. Not parallel: it measures memory.
func TestCompressionBomb(t *testing.T) {
	var bomb bytes.Buffer
	zip := gzip.NewWriter(&bomb)
	zeros := make([]byte, 1<<20)
	for range 32 {
		if _, err := zip.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	s := listen(t, "tcp", "127.0.0.1:0", answer(
		fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", bomb.Len(), bomb.Bytes())))
	c := client(t, nil)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	out := c.Send(t.Context(), post(s.url()))
	runtime.ReadMemStats(&after)
	want(t, out, "", "")
	if !bytes.Equal(out.Response.Body, zeros[:DefaultKeepAnswer]) || !out.Response.Truncated {
		t.Errorf("kept %d bytes, cut %t", len(out.Response.Body), out.Response.Truncated)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 4<<20 {
		t.Errorf("it took %d bytes of memory", used)
	}
}

// Empty blocks unpack to nothing, so a limit on what is unpacked never ends
// them.
func TestEndlessEmptyBlocks(t *testing.T) {
	t.Parallel()
	var sent atomic.Int64
	ended := make(chan struct{})
	s := listen(t, "tcp", "127.0.0.1:0", func(c *net.TCPConn) {
		defer close(ended)
		request(bufio.NewReader(c))
		_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff")
		blocks := bytes.Repeat([]byte{0, 0, 0, 0xff, 0xff}, 1000)
		for err == nil {
			_, err = c.Write(blocks)
			sent.Add(int64(len(blocks)))
		}
	})
	out := client(t, nil).Send(t.Context(), post(s.url()))
	want(t, out, "", "")
	<-ended
	if len(out.Response.Body) != 0 || !out.Response.Truncated {
		t.Errorf("kept %+v", out.Response)
	}
	if out.Phases.Total > 10*time.Second {
		t.Errorf("only the deadline ended it, after %s and %d bytes", out.Phases.Total, sent.Load())
	}
}

func TestAnswerIsNotShared(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintf(w, "answer %d", n.Add(1)) })
	c := client(t, nil)
	first := c.Send(t.Context(), post(s.URL))
	c.Send(t.Context(), post(s.URL))
	if string(first.Response.Body) != "answer 1" {
		t.Fatalf("the first answer became %q", first.Response.Body)
	}
}
