package egress

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/egress/http1"
)

// What no server on loopback can be made to do.
func TestExplain(t *testing.T) {
	t.Parallel()
	connect := func(errno syscall.Errno) error {
		return &dialError{stage: connecting, err: &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", errno)}}
	}
	for name, tt := range map[string]struct {
		err       error
		connected bool
		reason    delivery.Reason
		message   string
	}{
		"no descriptors":    {connect(syscall.EMFILE), false, delivery.ReasonInternal, "The request could not be sent, for a reason on our side"},
		"no local ports":    {connect(syscall.EADDRNOTAVAIL), false, delivery.ReasonInternal, "The request could not be sent, for a reason on our side"},
		"no route":          {connect(syscall.EHOSTUNREACH), false, delivery.ReasonConnect, "The server could not be reached: example.com"},
		"no network there":  {connect(syscall.ENETUNREACH), false, delivery.ReasonConnect, "The server could not be reached: example.com"},
		"reset on connect":  {connect(syscall.ECONNRESET), false, delivery.ReasonConnect, "No connection could be made to example.com"},
		"system's timeout":  {connect(syscall.ETIMEDOUT), false, delivery.ReasonTimeout, "No answer within 30 seconds"},
		"lookup times out":  {&dialError{stage: resolving, err: &net.DNSError{IsTimeout: true}}, false, delivery.ReasonDNS, "The address could not be looked up: example.com"},
		"handshake ends":    {&dialError{stage: securing, err: io.EOF}, false, delivery.ReasonTLS, "The server ended the connection before it was secured: it must accept TLS 1.2 or newer"},
		"broken pipe":       {fmt.Errorf("write: %w", syscall.EPIPE), true, delivery.ReasonReset, "Server closed the connection without a complete answer"},
		"cut in the answer": {fmt.Errorf("read: %w", io.ErrUnexpectedEOF), true, delivery.ReasonReset, "Server closed the connection without a complete answer"},
		"never connected":   {errors.New("anything"), false, delivery.ReasonInternal, "The request could not be sent, for a reason on our side"},
		"strange answer":    {fmt.Errorf("read: %w", http1.ErrMalformed), true, delivery.ReasonProtocol, "Server's answer is not valid HTTP, or its headers are too long"},
	} {
		var on *stream
		if tt.connected {
			on = new(stream)
		}
		reason, message := explain(tt.err, circumstances{host: "example.com", timeout: 30 * time.Second, stream: on})
		if reason != tt.reason || message != tt.message {
			t.Errorf("%s: %s %q", name, reason, message)
		}
	}
}
