package http1

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// version is how each answer begins, whatever its version is.
const version = "HTTP/"

// head reads the heads of a request's interim answers and of its answer. It
// reports whether the connection may be reused after that answer's body.
func (c *Conn) head(method string) (resp *http.Response, keep bool, err error) {
	c.inHead, c.bytes, c.lines, c.failed = true, MaxHead, maxHeadLines, nil
	c.request.Method = method
	keep = true
	for {
		resp, reusable, err := c.oneHead()
		if err != nil {
			return nil, false, err
		}
		keep = keep && reusable
		switch {
		case resp.StatusCode < 100 || resp.StatusCode > 599: // RFC 9110, section 15
			return nil, false, fmt.Errorf("%w: its status is %d", ErrMalformed, resp.StatusCode)
		case resp.StatusCode == http.StatusSwitchingProtocols:
			return resp, false, nil // what follows is not HTTP
		case resp.StatusCode >= http.StatusOK:
			return resp, keep, nil
		}
	}
}

// oneHead reads the head of one answer, and reports whether its framing leaves no
// doubt about where it ends.
func (c *Conn) oneHead() (*http.Response, bool, error) {
	if _, err := c.in.Peek(1); err != nil {
		return nil, false, c.readError("wait for the answer", err)
	}
	if c.started.IsZero() {
		c.started = time.Now()
	}
	start, _ := c.in.Peek(c.in.Buffered()) // it is there
	if n := min(len(start), len(version)); string(start[:n]) != version[:n] {
		return nil, false, fmt.Errorf("%w: it does not begin with %s", ErrMalformed, version)
	}
	fills := c.fills
	resp, err := http.ReadResponse(c.in, &c.request)
	if err != nil {
		return nil, false, c.readError("read the answer's head", err)
	}
	if c.fills != fills {
		start = nil // the buffer holds something else by now
	}
	return resp, reusable(resp, start), nil
}

// readError returns the error of reading a head. Where the stream failed, what
// net/http's parser says about the rest that it got does not matter.
func (c *Conn) readError(doing string, err error) error {
	switch {
	case errors.Is(err, errHeadTooLong), errors.Is(c.failed, errHeadTooLong):
		return fmt.Errorf("%s: %w", doing, errHeadTooLong)
	case errors.Is(c.failed, io.EOF):
		return fmt.Errorf("%s: %w", doing, io.ErrUnexpectedEOF)
	case c.failed != nil:
		return fmt.Errorf("%s: %w", doing, c.failed)
	default:
		return fmt.Errorf("%s: %w: %w", doing, ErrMalformed, err)
	}
}

// reusable reports whether the head of an answer lets the connection be used
// again after it. head is what was received of it, nil when that is not known.
func reusable(resp *http.Response, head []byte) bool {
	chunked := len(resp.TransferEncoding) > 0
	switch {
	case resp.Close, resp.ProtoMajor != 1 || resp.ProtoMinor != 1:
		return false
	case bodiless(resp.StatusCode) && (chunked || declaresLength(resp)):
		return false // a body may follow that HTTP does not know here
	case chunked:
		// net/http drops the Content-Length of an answer that has both. A server
		// that sends both may be one through which others smuggle (RFC 9112,
		// section 6.3).
		return head != nil && !hasField(head, "content-length")
	default:
		return true
	}
}

// bodiless reports whether answers with a status have no body (RFC 9110, section
// 6.4.1).
func bodiless(status int) bool {
	return status < http.StatusOK || status == http.StatusNoContent || status == http.StatusNotModified
}

// declaresLength reports whether an answer without a body says that it has one. A
// 304 may: the length is that of the answer that the client is expected to have.
func declaresLength(resp *http.Response) bool {
	length := resp.Header.Get("Content-Length")
	return length != "" && strings.Trim(length, "0 \t") != ""
}

// hasField reports whether a head, of which the body may follow, has a line that
// begins with a field's name. name is in lower case.
func hasField(head []byte, name string) bool {
	for line := range bytes.Lines(head) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			return false
		}
		field, _, _ := bytes.Cut(line, []byte{':'})
		if strings.EqualFold(string(field), name) {
			return true
		}
	}
	return false
}

// body is the body of an answer. Its end lets the connection be used again.
type body struct {
	conn   *Conn
	from   io.Reader
	keep   bool // the connection may be used again after the end
	ended  bool // the body was read to its end
	closed bool
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	if errors.Is(err, io.EOF) {
		b.ended = true
	}
	return n, err //nolint:wrapcheck // io.EOF is compared by readers
}

// Close implements io.Closer. It returns the connection to its pool if the answer
// was complete and nothing follows it, and closes the connection otherwise.
func (b *body) Close() error {
	if b.closed {
		return nil
	}
	b.closed = true
	if b.conn.wasWritten() && b.keep && b.ended && b.conn.in.Buffered() == 0 {
		b.conn.pool.put(b.conn)
	} else {
		b.conn.abort()
	}
	return nil
}
