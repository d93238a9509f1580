package http2

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"sync"

	"golang.org/x/net/http2"
)

// Bounds of what a server may send on one connection, in bytes. What is read of an
// answer is bounded by its reader; the rest is frames that carry nothing.
const (
	idleAllowance   = 64 << 10  // while no request is under way: settings, PINGs
	answerAllowance = 768 << 10 // for each request: interim answers, head and body

	// frameCost is taken from the allowance for each frame, beside its bytes: a PING
	// is cheap for the server, and an answer to it is not for the client.
	frameCost = 128

	maxFrame = 16 << 10 // of a frame's payload, the default of RFC 9113, section 6.5.2
)

// meter is a connection that ends when its server sends more than it may. It
// follows the frames (RFC 9113, section 4.1) to charge for each, to note GOAWAY, of
// which x/net does not tell the code, and to drop those that a client ignores.
type meter struct {
	net.Conn

	in     *bufio.Reader
	begun  bool    // the first frame has come
	header [9]byte // of the last frame
	head   []byte  // the part of header that has not been read
	rest   int     // bytes of the frame's payload that have not been read

	mu       sync.Mutex
	left     int // bytes that may still be read
	requests int // under way
	goAway   bool
	code     http2.ErrCode // of GOAWAY
	failed   error         // what the server broke, which ended the connection
}

func newMeter(c net.Conn) *meter {
	return &meter{Conn: c, in: bufio.NewReader(c), left: idleAllowance}
}

// begin allows for the answer to one more request.
func (m *meter) begin() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.requests++
	m.left += answerAllowance
}

// end takes back what the answers under way do not need.
func (m *meter) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.requests--
	m.left = min(m.left, idleAllowance+m.requests*answerAllowance)
}

// wentAway returns the error code of the server's GOAWAY, and whether one has come.
func (m *meter) wentAway() (http2.ErrCode, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.code, m.goAway
}

// failure returns what the server broke, nil if it broke nothing yet.
func (m *meter) failure() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.failed
}

// Read implements io.Reader.
func (m *meter) Read(p []byte) (int, error) {
	for len(m.head) == 0 && m.rest == 0 {
		if err := m.next(); err != nil {
			return 0, err
		}
	}
	if len(m.head) > 0 {
		n := copy(p, m.head)
		m.head = m.head[n:]
		return n, nil
	}
	n, err := m.in.Read(p[:min(len(p), m.rest)])
	m.rest -= n
	return n, err //nolint:wrapcheck // x/net looks for the connection's own error
}

// next reads the header of the next frame, and the whole frame if it is dropped.
func (m *meter) next() error {
	if _, err := io.ReadFull(m.in, m.header[:]); err != nil {
		return err //nolint:wrapcheck // as in Read
	}
	length := int(m.header[0])<<16 | int(m.header[1])<<8 | int(m.header[2])
	kind := http2.FrameType(m.header[3])
	if err := m.charge(kind, length); err != nil {
		return err
	}
	switch {
	case kind == http2.FrameGoAway:
		m.noteGoAway()
	case kind == http2.FramePriority, kind > http2.FrameContinuation:
		// x/net ignores them too, and writes a line to the program's log for each.
		_, err := m.in.Discard(length)
		return err //nolint:wrapcheck // as in Read
	}
	m.head, m.rest = m.header[:], length
	return nil
}

// charge takes a frame with a payload of so many bytes from the allowance. The first
// frame must be SETTINGS (RFC 9113, section 3.4).
func (m *meter) charge(kind http2.FrameType, length int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left -= len(m.header) + length + frameCost
	switch {
	case m.failed != nil:
	case !m.begun && kind != http2.FrameSettings:
		m.failed = errForeign
	case length > maxFrame:
		m.failed = errLongFrame
	case m.left < 0:
		m.failed = ErrTooMuch
	}
	m.begun = true
	return m.failed
}

// noteGoAway notes a GOAWAY's code. A later one counts, as it says more (RFC 9113,
// section 6.8).
func (m *meter) noteGoAway() {
	payload, err := m.in.Peek(8) // the last stream, the code
	if err != nil {
		return // x/net meets the error
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.goAway, m.code = true, http2.ErrCode(binary.BigEndian.Uint32(payload[4:]))
}

// body is the body of an answer. Closing it ends the request for the connection's
// meter.
type body struct {
	io.ReadCloser
	meter  *meter
	closed bool
}

// Close implements io.Closer.
func (b *body) Close() error {
	if !b.closed {
		b.closed = true
		b.meter.end()
	}
	return b.ReadCloser.Close() //nolint:wrapcheck // it is the body's
}
