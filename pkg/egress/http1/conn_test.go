package http1

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// Which answers let a connection be used again (RFC 9112, sections 6.3 and 9.3).
func TestReuse(t *testing.T) {
	t.Parallel()
	const chunked = "Transfer-Encoding: chunked\r\n"
	for name, tt := range map[string]struct {
		answer string
		reused bool
	}{
		"no content":                       {"HTTP/1.1 204 No Content\r\n\r\n", true},
		"a length":                         {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", true},
		"no length, empty":                 {ok, true},
		"chunks":                           {"HTTP/1.1 200 OK\r\n" + chunked + "\r\n2\r\nok\r\n0\r\n\r\n", true},
		"chunks with a trailer":            {"HTTP/1.1 200 OK\r\n" + chunked + "\r\n0\r\nX-A: b\r\n\r\n", true},
		"an interim answer":                {"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok, true},
		"not modified, with a length of 0": {"HTTP/1.1 304 Not Modified\r\nContent-Length: 0\r\n\r\n", true},
		"no content, with chunks":          {"HTTP/1.1 204 No Content\r\n" + chunked + "\r\n", false},
		"no content, with a length":        {"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", false},
		"not modified, with a length":      {"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", false},
		"an interim answer with a length":  {"HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\n" + ok, false},
		"a length beside chunks":           {"HTTP/1.1 200 OK\r\nContent-length: 5\r\n" + chunked + "\r\n0\r\n\r\n", false},
		"the end announced":                {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", false},
		"an older version":                 {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", false},
		"a newer version":                  {"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", false},
		"another protocol":                 {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", false},
		"more than an answer":              {ok + "H", false},
		"more than a body":                 {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok!", false},
		"a line end too many":              {ok + "\r\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := newPool()
			c, _ := connect(t, pool, acme, answers(tt.answer))
			if _, err := send(t, c, post()); err != nil {
				t.Fatal(err)
			}
			if again := pool.Take(acme); (again == c) != tt.reused || again != nil && !again.Reused() {
				t.Errorf("kept %t, want %t", again != nil, tt.reused)
			}
		})
	}
}

// A body that is not read to its end leaves the rest of it on the connection.
func TestAnUnreadBodyEndsTheConnection(t *testing.T) {
	t.Parallel()
	pool := newPool()
	c, stream := connect(t, pool, acme, answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	resp, err := c.RoundTrip(t.Context(), time.Now().Add(time.Minute), post())
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	_ = resp.Body.Close() // does nothing more
	<-stream.aborted
	if pool.Idle() != 0 {
		t.Error("it is kept")
	}
}

// Nothing is written on a connection that has something to read, or has ended.
func TestNothingIsWrittenUnlessTheConnectionIsIdle(t *testing.T) {
	t.Parallel()
	for name, idle := range map[string]error{"something to read": ErrUnasked, "its end": io.EOF, "it cannot be known": errors.New("unknown")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := make(chan int64, 1)
			c, stream := connect(t, newPool(), acme, func(far net.Conn) {
				n, _ := io.Copy(io.Discard, far)
				got <- n
			})
			stream.idle = idle
			if _, err := send(t, c, post()); !errors.Is(err, ErrNotIdle) || !errors.Is(err, idle) {
				t.Errorf("%v", err)
			}
			<-stream.aborted
			if n := <-got; n > 0 {
				t.Errorf("%d bytes were written", n)
			}
		})
	}
}

// Where an answer ends or stalls does not matter: the connection's error counts,
// and not what a parser says about half a line.
func TestAnAnswerThatEnds(t *testing.T) {
	t.Parallel()
	whole := "HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 2\r\n\r\n"
	for n := range len(whole) {
		c, _ := connect(t, newPool(), acme, func(far net.Conn) {
			req := make([]byte, 1<<10)
			_, _ = far.Read(req)
			_, _ = io.WriteString(far, whole[:n])
		})
		if _, err := send(t, c, post()); !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, ErrMalformed) {
			t.Errorf("after %q: %v", whole[:n], err)
		}
		if c.Started().IsZero() != (n == 0) {
			t.Errorf("after %q: it began at %s", whole[:n], c.Started())
		}
	}
}

func TestMalformedAnswers(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"another protocol":       "SSH-2.0-OpenSSH_9.9\r\n",
		"another without an end": "220 mail",
		"its first letter alone": "S",
		"a status below 100":     "HTTP/1.1 099 Low\r\n\r\n",
		"a status of 0":          "HTTP/1.1 000 None\r\n\r\n",
		"a status above 599":     "HTTP/1.1 600 High\r\n\r\n",
		"a status of two digits": "HTTP/1.1 20 OK\r\n\r\n",
		"a status of four":       "HTTP/1.1 2000 OK\r\n\r\n",
		"no colon":               "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
		"two lengths":            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
		"a coding not asked for": "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
		"too many lines":         "HTTP/1.1 200 OK\r\n" + strings.Repeat("a:\r\n", 2*maxHeadLines) + "\r\n",
		"too many bytes":         "HTTP/1.1 200 OK\r\n" + strings.Repeat("a: "+strings.Repeat("b", 1000)+"\r\n", MaxHead/1000) + "\r\n",
		"too many hints":         strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", MaxHead/20),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, stream := connect(t, newPool(), acme, answers(answer))
			if _, err := send(t, c, post()); !errors.Is(err, ErrMalformed) {
				t.Errorf("%v", err)
			}
			<-stream.aborted
		})
	}
}

// A head within the bounds is read whole, whatever its lines are.
func TestALongHead(t *testing.T) {
	t.Parallel()
	for name, head := range map[string]string{
		"one line":   "X-Policy: " + strings.Repeat("a", 100<<10) + "\r\n",
		"many lines": strings.Repeat("X-Cookie: "+strings.Repeat("a", 30)+"\r\n", 1500),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := newPool()
			c, _ := connect(t, pool, acme, answers("HTTP/1.1 200 OK\r\n"+head+"Content-Length: 0\r\n\r\n"))
			if _, err := send(t, c, post()); err != nil || pool.Idle() != 1 {
				t.Errorf("%v, %d idle", err, pool.Idle())
			}
		})
	}
}

// What a body may take of a connection is bounded, whatever it is made of.
func TestABodyWithoutEnd(t *testing.T) {
	t.Parallel()
	for name, part := range map[string]string{"chunks": "1\r\na\r\n", "a chunk's name": "0000000000000000"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, stream := connect(t, newPool(), acme, func(far net.Conn) {
				req := make([]byte, 1<<10)
				_, _ = far.Read(req)
				_, err := io.WriteString(far, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
				for err == nil {
					_, err = io.WriteString(far, part)
				}
			})
			resp, err := c.RoundTrip(t.Context(), time.Now().Add(time.Minute), post())
			if err != nil {
				t.Fatal(err)
			}
			if n, err := io.Copy(io.Discard, resp.Body); err == nil || n > maxBody {
				t.Errorf("read %d bytes, %v", n, err)
			}
			_ = resp.Body.Close()
			<-stream.aborted
		})
	}
}

// A long request is written while its answer is read: a server may answer early
// and read no more.
func TestAnAnswerBeforeALongRequestIsRead(t *testing.T) {
	t.Parallel()
	c, stream := connect(t, newPool(), acme, func(far net.Conn) {
		_, _ = far.Read(make([]byte, 1<<10))
		_, _ = io.WriteString(far, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
		<-t.Context().Done()
	})
	r := post()
	r.Body = bytes.Repeat([]byte("x"), inlineBody+1)
	if status, err := send(t, c, r); err != nil || status != http.StatusRequestEntityTooLarge {
		t.Fatal(status, err)
	}
	<-stream.aborted // the rest of the request was not written
}

func TestTheDeadlineEndsARequest(t *testing.T) {
	t.Parallel()
	c, _ := connect(t, newPool(), acme, func(far net.Conn) { _, _ = io.Copy(io.Discard, far) })
	if _, err := sendUntil(t.Context(), c, time.Now().Add(10*time.Millisecond), post()); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
}

func TestTheEndOfItsContextEndsARequest(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	c, _ := connect(t, newPool(), acme, func(far net.Conn) {
		_, _ = far.Read(make([]byte, 1<<10))
		cancel()
		_, _ = io.Copy(io.Discard, far)
	})
	if _, err := sendUntil(ctx, c, time.Now().Add(time.Minute), post()); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
}
