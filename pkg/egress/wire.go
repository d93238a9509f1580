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
// them: a seventh of what a request costs both sides together. What is on the wire
// is written and read by net/http all the same.
type wire struct {
	conn net.Conn // what is spoken on
	made *conn    // how it came about; beneath conn when that is secured
	in   *bufio.Reader
	out  *bufio.Writer
	left int64 // how many more bytes may be read

	used  bool // for a request before
	since time.Time
	idle  *list.Element // its place among the idle ones
	peek  [1]byte
}

func newWire(c net.Conn, made *conn) *wire {
	x := &wire{conn: c, made: made}
	x.in, x.out = bufio.NewReaderSize(x, 4<<10), bufio.NewWriterSize(c, 4<<10)
	return x
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

// exchange sends a request and reads the head of its answer, until ctx ends. The
// connection is released with the answer's body, or here when there is no answer.
func (x *wire) exchange(ctx context.Context, req *http.Request, w *watch, release func(x *wire, again bool)) (*http.Response, error) {
	stop := context.AfterFunc(ctx, func() { _ = x.conn.SetDeadline(time.Unix(1, 0)) }) // wakes whoever reads or writes
	resp, err := x.answer(req, w)
	if err != nil {
		stop()
		release(x, false)
		if ctx.Err() != nil {
			err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
		return nil, err
	}
	body := &answerBody{wire: x, from: resp.Body, stop: stop, release: release}
	body.ended = resp.Body == http.NoBody || resp.ContentLength == 0
	body.keep = !resp.Close && resp.StatusCode >= http.StatusOK
	resp.Body = body
	return resp, nil
}

// answer sends a request and reads the head of its answer. When the request could
// not be written an answer may be there all the same: the reason why not.
func (x *wire) answer(req *http.Request, w *watch) (*http.Response, error) {
	x.left = maxHeaderBytes
	unwritten := req.Write(x.out)
	if unwritten == nil {
		unwritten = x.out.Flush()
	}
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
	resp, err := x.head(req)
	if err != nil {
		return nil, err
	}
	if unwritten != nil {
		resp.Close = true
	}
	x.left = math.MaxInt64
	return resp, nil
}

// head reads answers' heads up to the final one's.
func (x *wire) head(req *http.Request) (*http.Response, error) {
	for range mostInterim + 1 {
		resp, err := http.ReadResponse(x.in, req)
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
// It cannot see beneath a secured tunnel, and then takes it for quiet.
func (x *wire) quiet() bool {
	socket, ok := x.made.Conn.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return false
	}
	var found error
	err = raw.Read(func(fd uintptr) bool {
		_, _, found = syscall.Recvfrom(int(fd), x.peek[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		return true
	})
	return err == nil && errors.Is(found, syscall.EAGAIN)
}

// answerBody is the body of an answer. Its end lets the connection be used again.
type answerBody struct {
	wire    *wire
	from    io.Reader
	stop    func() bool // ends the watch over the context
	release func(x *wire, again bool)
	keep    bool // the connection may be used again
	ended   bool // the body was read to its end
	closed  bool
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
	if b.closed {
		return nil
	}
	b.closed = true
	b.release(b.wire, b.stop() && b.keep && b.ended && b.wire.in.Buffered() == 0)
	return nil
}
