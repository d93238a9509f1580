package egress

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"syscall"

	"github.com/dialnote/webhooks/pkg/egress/http1"
)

// stream is a connection to a receiver, which may have several layers: TLS over
// a tunnel through a proxy, which may be TLS itself, over a socket.
type stream struct {
	net.Conn            // the layer that HTTP is spoken on
	socket   *socket    // the lowest layer
	records  []*records // beneath each layer of TLS
	buffer   [1]byte    // what Idle reads into

	remote string // the receiver's address
	took   durations
	asked  atomic.Bool // the server asked for a certificate of ours
}

// receiveBuffer is what the kernel keeps of an answer before it is read, in
// bytes: as much as is ever read of one. By default the kernel accepts megabytes
// for each connection from a receiver that sends without end.
const receiveBuffer = DefaultMaxAnswer

// newStream returns the stream over a connection that has just been made, or the
// error of making it.
func newStream(c net.Conn, err error) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	s := &stream{Conn: c, remote: c.RemoteAddr().String()}
	if tcp, is := c.(*net.TCPConn); is {
		_ = tcp.SetReadBuffer(receiveBuffer) // without it, the connection only costs more
		if s.socket, err = newSocket(tcp); err != nil {
			_ = c.Close() // nothing was sent on it
			return nil, err
		}
		s.Conn = s.socket
	}
	return s, nil
}

// speaksHTTP2 reports whether HTTP/2 was agreed on the stream.
func (s *stream) speaksHTTP2() bool {
	secured, is := s.Conn.(*tls.Conn)
	return is && secured.ConnectionState().NegotiatedProtocol == "h2"
}

// Idle implements http1.Stream. It has each layer read what it can without
// waiting: the lowest answers "would block" instead of waiting for more.
func (s *stream) Idle() error {
	if s.socket == nil {
		return errors.New("the connection cannot be looked at")
	}
	s.socket.noWait = true
	_, err := s.Read(s.buffer[:])
	s.socket.noWait = false
	if _, waits := err.(wouldBlock); !waits { //nolint:errorlint // the layers pass it on as it is, or it is something else
		if err == nil {
			err = http1.ErrUnasked
		}
		return err
	}
	for _, r := range s.records {
		if !r.complete() {
			return http1.ErrUnasked
		}
	}
	return nil
}

// Abort implements http1.Stream.
func (s *stream) Abort() {
	if s.socket == nil {
		_ = s.Close()
		return
	}
	_ = s.socket.Close() // closing a layer of TLS would write, and might wait
}

// secure returns the stream with a layer of TLS on top, before its handshake.
func (s *stream) secure(cfg *tls.Config) *tls.Conn {
	beneath := &records{Conn: s.Conn}
	s.records = append(s.records, beneath)
	secured := tls.Client(beneath, cfg)
	s.Conn = secured
	return secured
}

// socket is a TCP connection that can be read without waiting.
type socket struct {
	*net.TCPConn

	raw    syscall.RawConn
	noWait bool // Read answers wouldBlock instead of waiting

	into []byte // what take reads into
	n    int    // what take has read
	err  error  // why take has read nothing
	take func(fd uintptr)
}

func newSocket(c *net.TCPConn) (*socket, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("look at the socket: %w", err)
	}
	s := &socket{TCPConn: c, raw: raw}
	s.take = func(fd uintptr) { s.n, _, s.err = syscall.Recvfrom(int(fd), s.into, syscall.MSG_DONTWAIT) }
	return s, nil
}

// Read implements io.Reader.
func (s *socket) Read(p []byte) (int, error) {
	if !s.noWait {
		return s.TCPConn.Read(p) //nolint:wrapcheck // the layers above look for the socket's own error
	}
	s.into = p
	err := s.raw.Control(s.take)
	s.into = nil
	switch {
	case err != nil:
		return 0, err //nolint:wrapcheck // as above
	case errors.Is(s.err, syscall.EAGAIN):
		return 0, wouldBlock{}
	case s.err != nil:
		return 0, fmt.Errorf("recvfrom: %w", s.err)
	case s.n == 0:
		return 0, io.EOF
	default:
		return s.n, nil
	}
}

// wouldBlock is the error of a socket that has nothing to read and is not to wait.
type wouldBlock struct{}

// Error implements error.
func (wouldBlock) Error() string { return "nothing to read without waiting" }

// Timeout implements net.Error.
func (wouldBlock) Timeout() bool { return false }

// Temporary implements net.Error: TLS forgets errors that are temporary.
func (wouldBlock) Temporary() bool { return true }

// records follows the borders of the TLS records that are read through it (RFC
// 8446, section 5.1): TLS keeps a part of a record without telling.
type records struct {
	net.Conn

	header [5]byte // of the record that is being read
	got    int     // bytes of header that have come
	rest   int     // bytes of the record that have not come

	first [11]byte // how the server's first record begins
	seen  int      // bytes of first that have come
}

// Read implements io.Reader.
func (r *records) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.follow(p[:n])
	return n, err //nolint:wrapcheck // TLS looks for the connection's own error
}

func (r *records) follow(p []byte) {
	r.seen += copy(r.first[r.seen:], p)
	for len(p) > 0 {
		if r.rest > 0 {
			n := min(r.rest, len(p))
			r.rest -= n
			p = p[n:]
			continue
		}
		n := copy(r.header[r.got:], p)
		p = p[n:]
		if r.got += n; r.got == len(r.header) {
			r.got, r.rest = 0, int(r.header[3])<<8|int(r.header[4])
		}
	}
}

// complete reports whether what has come ends with a record.
func (r *records) complete() bool { return r.got == 0 && r.rest == 0 }
