package egress_test

import (
	"bytes"
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// patience is how long a test waits for what must happen. It is so long that
// only what never happens takes it.
const patience = time.Minute

// socket is a receiver's or a proxy's end of a TCP connection. What is written
// while it is corked is sent by one write when it is uncorked.
type socket struct {
	*net.TCPConn

	sent   *atomic.Int64 // bytes sent over all sockets of the same owner
	corked bool
	held   bytes.Buffer
}

// Write implements net.Conn.
func (s *socket) Write(p []byte) (int, error) {
	if s.corked {
		return s.held.Write(p)
	}
	n, err := s.TCPConn.Write(p)
	s.sent.Add(int64(n))
	return n, err
}

func (s *socket) cork() { s.corked = true }

func (s *socket) uncork() error {
	s.corked = false
	_, err := s.Write(s.held.Bytes())
	s.held.Reset()
	return err
}

// arrived reports whether all that was sent is in the other side's kernel. The
// bytes sent over a socket that is closed need not be waited for.
func (s *socket) arrived() bool {
	raw, err := s.SyscallConn()
	if err != nil {
		return true
	}
	var left int
	var failed error
	if raw.Control(func(fd uintptr) { left, failed = unacknowledged(int(fd)) }) != nil || failed != nil {
		return true
	}
	return left == 0
}

// await waits until something is true that no event tells of.
func await(tb testing.TB, what string, is func() bool) {
	tb.Helper()
	tick := time.NewTicker(200 * time.Microsecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !is(); <-tick.C {
		if time.Now().After(deadline) {
			tb.Fatalf("waited in vain: %s", what)
		}
	}
}
