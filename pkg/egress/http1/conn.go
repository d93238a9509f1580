package http1

import (
	"bufio"
	"bytes"
	"container/list"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
)

// Bounds of one answer. Frameworks and proxies send some 40 KiB of cookies and
// policies; curl takes lines of 100 KiB.
const (
	MaxHead      = 192 << 10 // bytes of the head, interim answers included
	maxHeadLines = 2000      // lines of the head: each costs memory, however short it is
	maxBody      = 512 << 10 // bytes of the body as it is sent, chunks' framing included
)

// Errors of RoundTrip. An error that wraps none of these is the connection's own:
// the server ended it, or its deadline passed.
var (
	// ErrMalformed says that the answer is not HTTP/1.1, or exceeds a bound.
	ErrMalformed = errors.New("malformed answer")

	// ErrNotIdle says that the connection could not take the request: it had ended,
	// or held something to read already. Nothing was written.
	ErrNotIdle = errors.New("the connection is not idle")

	// ErrUnasked is what Stream.Idle returns when the server has sent something
	// that answers no request.
	ErrUnasked = fmt.Errorf("%w: it came before the request", ErrMalformed)
)

var (
	errHeadTooLong = fmt.Errorf("%w: its head does not end within %d bytes and %d lines", ErrMalformed, MaxHead, maxHeadLines)
	errBodyTooLong = errors.New("the body, with its framing, is longer than is read")
)

// Stream is a connection that can be asked whether there is anything to read.
type Stream interface {
	net.Conn

	// Idle returns nil if there is nothing to read at this moment, in any layer of
	// the connection, and no part of something. It never waits. It returns
	// ErrUnasked if there is, the connection's error if it has ended, and an error
	// if it cannot know. After an error the connection is of no further use.
	Idle() error

	// Abort closes the connection without telling the server why, and never waits.
	Abort()
}

// Request is what RoundTrip writes. All of it must be valid: a method, a target
// and field values without line ends, and no field that says where the request
// ends or goes to.
type Request struct {
	Method string
	Target string // in origin form (RFC 9112, section 3.2.1): "/hook?a=b"
	Host   string
	Fields delivery.Fields
	Body   []byte // written as it is; it must not be changed again
}

// Conn is a connection that speaks HTTP/1.1. It is used by one goroutine at a
// time.
type Conn struct {
	stream Stream
	key    Key
	pool   *Pool

	in  *bufio.Reader // reads through Read
	out *bufio.Writer

	inHead bool  // the head of an answer is being read, not its body
	bytes  int   // that may still be read of the head or the body
	lines  int   // that may still be read of the head
	fills  int   // calls of Read: while it stays the same, what in holds stays in place
	failed error // what the last Read returned

	written chan error   // holds the result of writing the request, once it is known
	request http.Request // what net/http's parser has to know of the request
	started time.Time    // when the first byte of the answer came

	done      <-chan struct{} // of the context that interrupts what is under way
	unwatch   func() bool     // ends the watching of that context
	reused    bool
	idleSince time.Time
	element   *list.Element // its place among the pool's idle connections
}

// NewConn returns a fresh connection over stream. key says where it leads, and
// for which organization; p takes the connection when it is idle.
func (p *Pool) NewConn(stream Stream, key Key) *Conn {
	c := &Conn{stream: stream, key: key, pool: p, written: make(chan error, 1)}
	c.in, c.out = bufio.NewReaderSize(c, 4<<10), bufio.NewWriterSize(stream, 4<<10)
	return c
}

// Stream returns the stream that the connection was made over.
func (c *Conn) Stream() Stream { return c.stream }

// Reused reports whether the connection has carried an earlier request.
func (c *Conn) Reused() bool { return c.reused }

// Started returns when the first byte of the last request's answer came. It is
// the zero time if none did.
func (c *Conn) Started() time.Time { return c.started }

// Close closes a connection on which nothing is under way.
func (c *Conn) Close() {
	c.unwatchContext()
	_ = c.stream.Close() // no data is lost with it
}

// abort closes a connection whose server may not be reading.
func (c *Conn) abort() {
	c.unwatchContext()
	c.stream.Abort()
}

// Read implements io.Reader for the buffer in front of the stream. It keeps the
// bounds of an answer.
func (c *Conn) Read(p []byte) (int, error) {
	c.fills++
	if c.bytes <= 0 || c.lines <= 0 {
		c.failed = errBodyTooLong
		if c.inHead {
			c.failed = errHeadTooLong
		}
		return 0, c.failed
	}
	n, err := c.stream.Read(p[:min(len(p), c.bytes)])
	c.bytes -= n
	if c.inHead {
		c.lines -= bytes.Count(p[:n], []byte{'\n'})
	}
	c.failed = err
	return n, err //nolint:wrapcheck // head and its callers look for the stream's own error
}

// watchContext has the end of ctx interrupt what is under way. It returns false
// when the end of the context watched before is interrupting the connection at
// this moment. Contexts that end together are watched as one, so that a program's
// requests, which end with the program, do not cost a registration each.
func (c *Conn) watchContext(ctx context.Context) bool {
	if ctx.Done() == c.done {
		return true
	}
	if !c.unwatchContext() {
		return false
	}
	c.done = ctx.Done()
	c.unwatch = context.AfterFunc(ctx, func() { _ = c.stream.SetDeadline(time.Unix(1, 0)) })
	return true
}

func (c *Conn) unwatchContext() bool {
	return c.unwatch == nil || c.unwatch()
}

// RoundTrip writes a request and reads the head of its answer, until the deadline
// or the end of ctx. Closing the answer's body returns the connection to its pool
// or closes it; after an error the connection is closed.
//
// The error wraps ErrNotIdle when nothing was written, and ErrMalformed when the
// answer breaks the protocol or a bound. Otherwise it is the connection's own:
// io.ErrUnexpectedEOF when the server ended the connection, os.ErrDeadlineExceeded
// when the time was over or ctx had ended.
func (c *Conn) RoundTrip(ctx context.Context, deadline time.Time, r Request) (*http.Response, error) {
	c.started = time.Time{}
	if err := c.ready(ctx, deadline); err != nil {
		c.abort()
		return nil, err
	}
	c.send(r)
	resp, keep, err := c.head(r.Method)
	if err != nil {
		c.abort()
		return nil, err
	}
	resp.Body = &body{conn: c, from: resp.Body, keep: keep, ended: resp.Body == http.NoBody || resp.ContentLength == 0}
	c.inHead, c.bytes, c.lines = false, maxBody, 1
	return resp, nil
}

// ready prepares the connection for a request, and makes sure that there is nothing
// to read on it. The buffer in front of the stream is empty: put saw to that.
func (c *Conn) ready(ctx context.Context, deadline time.Time) error {
	if err := c.stream.SetDeadline(deadline); err != nil {
		return fmt.Errorf("%w: %w", ErrNotIdle, err)
	}
	if !c.watchContext(ctx) {
		return fmt.Errorf("%w: the end of another request's context interrupts it", ErrNotIdle)
	}
	if ctx.Err() != nil { // it may have ended before the deadline was set
		return os.ErrDeadlineExceeded
	}
	if err := c.stream.Idle(); err != nil {
		return fmt.Errorf("%w: %w", ErrNotIdle, err)
	}
	return nil
}
