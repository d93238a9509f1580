package postgres

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A lost server is noticed while it owes an acknowledgement as well: keep-alive
// alone would not see it.
func TestWhatIsUnacknowledgedIsBounded(t *testing.T) {
	t.Parallel()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	c, err := newDialer().DialTimeout("tcp", l.Addr().String(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		got, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
		if err != nil || got != int(goneAfter.Milliseconds()) {
			t.Errorf("bound of %d ms (%v), want %s", got, err, goneAfter)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}
