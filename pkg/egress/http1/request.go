package http1

import (
	"bufio"
	"net/http"
	"strconv"
	"time"
)

const (
	// inlineBody is the longest body, in bytes, that is written before the answer
	// is read. The buffers of both kernels hold it, so that writing it does not
	// wait for a server that has answered and reads no more.
	inlineBody = 32 << 10

	// earlyAnswer is how long RoundTrip waits for an answer that a server may have
	// sent before it refused to read the rest of a request.
	earlyAnswer = 50 * time.Millisecond
)

// send writes a request, a long one in a goroutine of its own, and puts the
// result into c.written. After a failure the answer may be there all the same: it
// says why the server did not read on.
func (c *Conn) send(r Request) {
	if len(r.Body) > inlineBody {
		go func() { c.written <- r.Write(c.out) }()
		return
	}
	err := r.Write(c.out)
	if err != nil {
		_ = c.stream.SetReadDeadline(time.Now().Add(earlyAnswer))
	}
	c.written <- err
}

// Write writes the request (RFC 9112, section 3) and flushes it. The body is
// written from its own buffer. The error is that of what out writes to.
func (r Request) Write(out *bufio.Writer) error {
	line := func(parts ...string) {
		for _, part := range parts {
			_, _ = out.WriteString(part) // Flush returns the error
		}
		_, _ = out.WriteString("\r\n")
	}
	line(r.Method, " ", r.Target, " HTTP/1.1")
	line("Host: ", r.Host)
	for _, f := range r.Fields {
		line(f.Name, ": ", f.Value)
	}
	if len(r.Body) > 0 || r.Method == http.MethodPost {
		line("Content-Length: ", strconv.Itoa(len(r.Body)))
	}
	line()
	_, _ = out.Write(r.Body)
	return out.Flush() //nolint:wrapcheck // the caller says what was being done
}

// wasWritten reports whether the whole request has been written. It may be called
// once for a request.
func (c *Conn) wasWritten() bool {
	select {
	case err := <-c.written:
		return err == nil
	default:
		return false
	}
}
