package http2

import (
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
)

// meter is a connection that ends when its server sends more than it may. It also
// notes the server's GOAWAY, of which x/net does not tell the code.
type meter struct {
	net.Conn

	mu       sync.Mutex
	left     int // bytes that may still be read
	requests int // under way
	frames   frames
}

func newMeter(c net.Conn) *meter { return &meter{Conn: c, left: idleAllowance} }

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

// goAway returns the error code of the server's GOAWAY, and whether one has come.
func (m *meter) goAway() (http2.ErrCode, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.frames.code, m.frames.goAway
}

// Read implements io.Reader.
func (m *meter) Read(p []byte) (int, error) {
	n, err := m.Conn.Read(p)
	m.mu.Lock()
	defer m.mu.Unlock()
	frames := m.frames.follow(p[:n])
	if m.left -= n + frames*frameCost; m.left < 0 {
		return 0, ErrTooMuch
	}
	return n, err //nolint:wrapcheck // x/net looks for the connection's own error
}

// frames follows the frames of a connection (RFC 9113, section 4.1), and notes a
// GOAWAY among them.
type frames struct {
	header [9]byte // of the frame that is being read
	got    int     // bytes of header that have come
	rest   int     // bytes of the frame's payload that have not come

	payload [8]byte // how a GOAWAY's payload begins: its last stream, its code
	kept    int     // bytes of payload that have come

	goAway bool
	code   http2.ErrCode
}

// follow takes in what was read, and returns how many frames began in it.
func (f *frames) follow(p []byte) (begun int) {
	for len(p) > 0 {
		if f.rest == 0 {
			n := copy(f.header[f.got:], p)
			p = p[n:]
			if f.got += n; f.got == len(f.header) {
				f.got, f.kept = 0, 0
				begun++
				f.rest = int(f.header[0])<<16 | int(f.header[1])<<8 | int(f.header[2])
			}
			continue
		}
		n := min(f.rest, len(p))
		f.keep(p[:n])
		f.rest -= n
		p = p[n:]
	}
	return begun
}

// keep keeps what a GOAWAY says. A later one counts, as it says more (RFC 9113,
// section 6.8).
func (f *frames) keep(p []byte) {
	if http2.FrameType(f.header[3]) != http2.FrameGoAway || f.kept == len(f.payload) {
		return
	}
	if f.kept += copy(f.payload[f.kept:], p); f.kept == len(f.payload) {
		f.goAway = true
		f.code = http2.ErrCode(binary.BigEndian.Uint32(f.payload[4:]))
	}
}

// body is the body of an answer, whose end its connection's meter is told of.
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
