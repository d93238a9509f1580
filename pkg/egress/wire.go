package egress

import (
	"bufio"
	"container/list"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"time"
)

const (
	// earlyAnswer is how long an answer is waited for that came before the
	// request was read to its end, from a server that then hung up.
	earlyAnswer = 50 * time.Millisecond

	// mostInterim is how many 1xx answers may stand before the final one.
	mostInterim = 5
)

// errHeadTooLong says that an answer's head did not end within maxHeaderBytes.
var errHeadTooLong = errors.New("the head of the answer is too long")

// wire is a connection that speaks HTTP/1.1 in the goroutine of whoever sends.
// net/http's transport has two goroutines for each connection, one that writes
// and one that reads, and hands every request and every answer over between
// them: a seventh of what a request costs both sides together. Answers are read by
// net/http all the same.
type wire struct {
	conn net.Conn // what is spoken on
	made *conn    // how it came about; beneath conn when that is secured
	home *wires
	to   server
	in   *bufio.Reader
	out  *bufio.Writer
	left int64 // how many more bytes may be read

	asked    http.Request    // what a reader of answers has to know of requests
	done     <-chan struct{} // of the context that ends what is under way
	unfollow func() bool     // ends the following of that context

	used  bool // for a request before
	since time.Time
	idle  *list.Element // its place among the idle ones
	peek  [1]byte
}

func (s *wires) newWire(c net.Conn, made *conn, to server) *wire {
	x := &wire{conn: c, made: made, home: s, to: to}
	x.in, x.out = bufio.NewReaderSize(x, 4<<10), bufio.NewWriterSize(c, 4<<10)
	return x
}

// close closes the connection.
func (x *wire) close() {
	if x.unfollow != nil {
		x.unfollow()
	}
	_ = x.conn.Close() // what mattered was read
}

// follow has the end of ctx wake whoever writes to or reads from the connection.
// It returns false when the end of another context is just doing that. Contexts
// that end together are followed as one, so that a program's deliveries, which
// end with the program, do not cost one more registration each.
func (x *wire) follow(ctx context.Context) bool {
	if ctx.Done() == x.done {
		return true
	}
	if x.unfollow != nil && !x.unfollow() {
		return false
	}
	x.done = ctx.Done()
	x.unfollow = context.AfterFunc(ctx, func() { _ = x.conn.SetDeadline(time.Unix(1, 0)) })
	return true
}

// Read reads from the connection for the buffer in front of it.
func (x *wire) Read(p []byte) (int, error) {
	if x.left <= 0 {
		return 0, errHeadTooLong
	}
	n, err := x.conn.Read(p[:min(int64(len(p)), x.left)])
	x.left -= int64(n)
	return n, err //nolint:wrapcheck // the reader's own error is looked for
}

// exchange sends a request and reads the head of its answer, until the deadline
// or the end of ctx, which is followed. The connection goes back to the idle ones
// with the answer's body; without an answer it is closed.
func (x *wire) exchange(ctx context.Context, deadline time.Time, r Request, w *watch) (*http.Response, error) {
	err := x.conn.SetDeadline(deadline)
	if err == nil {
		err = ctx.Err() // it may have ended before the deadline was set
	}
	var resp *http.Response
	if err == nil {
		resp, err = x.answer(r, w)
	}
	if err != nil {
		x.close()
		switch {
		case ctx.Err() != nil:
			err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case errors.Is(err, os.ErrDeadlineExceeded):
			err = fmt.Errorf("%w: %w", errDeadline, err)
		}
		return nil, err
	}
	body := &answerBody{wire: x, from: resp.Body}
	body.ended = resp.Body == http.NoBody || resp.ContentLength == 0
	body.keep = !resp.Close && resp.StatusCode >= http.StatusOK
	resp.Body = body
	return resp, nil
}

// answer sends a request and reads the head of its answer. When the request could
// not be written an answer may be there all the same: the reason why not.
func (x *wire) answer(r Request, w *watch) (*http.Response, error) {
	x.left = maxHeaderBytes
	unwritten := x.write(r)
	if unwritten != nil {
		_ = x.conn.SetReadDeadline(time.Now().Add(earlyAnswer))
	}
	if _, err := x.in.Peek(1); err != nil {
		if unwritten != nil {
			err = unwritten
		}
		return nil, fmt.Errorf("send request: %w", err)
	}
	w.gotFirstByte()
	x.asked.Method = r.Method
	resp, err := x.head()
	if err != nil {
		return nil, err
	}
	if unwritten != nil {
		resp.Close = true
	}
	x.left = math.MaxInt64
	return resp, nil
}

// write writes a valid request (RFC 9112, section 3): its body is the very buffer.
func (x *wire) write(r Request) error {
	line := func(parts ...string) {
		for _, part := range parts {
			_, _ = x.out.WriteString(part) // Flush says what went wrong
		}
		_, _ = x.out.WriteString("\r\n")
	}
	line(r.Method, " ", r.Normal.RequestURI(), " HTTP/1.1")
	line("Host: ", r.Normal.Host)
	for _, f := range r.Fields {
		line(f.Name, ": ", f.Value)
	}
	if len(r.Body) > 0 || r.Method == http.MethodPost {
		line("Content-Length: ", strconv.Itoa(len(r.Body)))
	}
	line()
	_, _ = x.out.Write(r.Body)
	return x.out.Flush() //nolint:wrapcheck // the caller says what was being done
}

// head reads answers' heads up to the final one's.
func (x *wire) head() (*http.Response, error) {
	for range mostInterim + 1 {
		resp, err := http.ReadResponse(x.in, &x.asked)
		if err != nil {
			return nil, fmt.Errorf("read answer: %w", err)
		}
		if resp.StatusCode >= http.StatusOK || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, nil
		}
	}
	return nil, errors.New("read answer: too many interim answers")
}

// quiet reports whether nothing has come on an idle connection, not even its end.
// It cannot see beneath a tunnel, and then takes it for quiet.
func (x *wire) quiet() bool {
	socket, ok := x.made.Conn.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return false
	}
	_ = x.conn.SetDeadline(time.Time{}) // that of the last request
	var found error
	err = raw.Read(func(fd uintptr) bool {
		_, _, found = syscall.Recvfrom(int(fd), x.peek[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		return true
	})
	return err == nil && errors.Is(found, syscall.EAGAIN)
}

// answerBody is the body of an answer. Its end lets the connection be used again.
type answerBody struct {
	wire   *wire
	from   io.Reader
	keep   bool // the connection may be used again
	ended  bool // the body was read to its end
	closed bool
}

// Read implements io.Reader.
func (b *answerBody) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	if errors.Is(err, io.EOF) {
		b.ended = true
	}
	return n, err //nolint:wrapcheck // io.EOF is compared by readers
}

// Close releases the connection: one with an unread rest is closed.
func (b *answerBody) Close() error {
	switch {
	case b.closed:
	case b.keep && b.ended && b.wire.in.Buffered() == 0:
		b.wire.home.put(b.wire)
	default:
		b.wire.close()
	}
	b.closed = true
	return nil
}
