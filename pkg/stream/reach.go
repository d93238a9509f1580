package stream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"os"
	"sync"
	"syscall"

	"github.com/nats-io/nats.go"

	"github.com/dialnote/webhooks/pkg/fault"
)

// unreached keeps why the server cannot be reached, and logs each reason once.
type unreached struct {
	log *slog.Logger

	mu    sync.Mutex
	cause error // of the last attempt to connect, nil while connected
	said  string
}

// failed notes that an attempt to connect failed.
func (u *unreached) failed(err error) {
	if errors.Is(err, nats.ErrNoServers) {
		return // it says only that the first attempt failed; the next says why
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.cause = err
	if reason := reasonOf(err); reason != u.said {
		u.said = reason
		u.log.Warn("NATS cannot be reached, trying again", slog.String("reason", reason), slog.Any("error", withoutURL(err)))
	}
}

// connected notes that an attempt succeeded.
func (u *unreached) connected() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.cause, u.said = nil, ""
}

func (u *unreached) last() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.cause
}

// reasonOf says in words why a connection could not be made, and what to look at.
func reasonOf(err error) string {
	var (
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		lookup    *net.DNSError
		remote    *net.OpError
		notTLS    tls.RecordHeaderError
		timeout   net.Error
	)
	switch {
	case errors.As(err, &authority):
		return "its certificate is of an authority that is not trusted here; is NATS_CA_FILE the one that signed it?"
	case errors.As(err, &name):
		return "its certificate is not for the host that NATS_URL names"
	case errors.As(err, &invalid):
		return "its certificate is not valid now; has it expired, and is this machine's clock right?"
	case errors.Is(err, nats.ErrTLS), // the server hung up after the handshake, before its alert was read
		errors.As(err, &remote) && remote.Op == "remote error": // a TLS alert of the server's
		return "it refuses our TLS handshake; does it ask for a client's certificate (NATS_CERT_FILE)?"
	case errors.Is(err, nats.ErrSecureConnRequired), errors.Is(err, nats.ErrSecureConnWanted), errors.As(err, &notTLS):
		return "one side asks for TLS and the other has none; compare NATS_URL and NATS_CA_FILE with the server's tls block"
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked), errors.Is(err, nats.ErrAccountAuthExpired):
		return "it refuses the credentials; are NATS_USER and NATS_PASSWORD, NATS_CREDS or NATS_NKEY those of a user there?"
	case errors.Is(err, nats.ErrMaxConnectionsExceeded), errors.Is(err, nats.ErrMaxAccountConnectionsExceeded):
		return "it has as many connections as it takes; raise its max_connections, or the account's limit"
	case errors.As(err, &lookup):
		return "the host of NATS_URL cannot be resolved"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "no program listens at NATS_URL"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "there is no way to the host of NATS_URL in the network"
	case errors.Is(err, os.ErrNotExist), errors.Is(err, os.ErrPermission):
		return "a file of NATS_CA_FILE, NATS_CERT_FILE, NATS_KEY_FILE or NATS_CREDS cannot be read"
	case errors.Is(err, nats.ErrTimeout), errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "it does not answer in time; is the network open, and is it a NATS server?"
	}
	return "see the error"
}

// away returns the fault of a connection that is not there, with the reason.
func (c *Conn) away() error {
	f := fault.New(fault.Unavailable, "broker-unavailable", "The message broker is away.")
	if err := c.unreached.last(); err != nil {
		return f.Because(errors.New(reasonOf(err) + " (" + withoutURL(err).Error() + ")"))
	}
	return f
}

// cutOff counts how often a server that we are connected to did not answer for
// JetStream: it may be cut off from the other servers of its cluster, which a client
// on it does not notice.
type cutOff struct {
	mu     sync.Mutex
	failed int // in a row
	left   int // how often the connection was changed for it, in a row
}

// leave notes the result of a request and reports whether to connect elsewhere: after
// a few failures, and after twice as many each further time, since the others may not
// answer either.
func (c *cutOff) leave(err error, servers int) bool {
	const few, most = 3, 5
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.failed, c.left = 0, 0
		return false
	}
	if c.failed++; servers < 2 || c.failed < few<<min(c.left, most) {
		return false
	}
	c.failed = 0
	c.left++
	return true
}

// judge notes the result of a request to JetStream, and connects to another server of
// the cluster when this one has not answered for a while.
func (c *Conn) judge(err error) {
	if !c.nc.IsConnected() || !fault.Is(err, fault.Unavailable) && err != nil {
		return
	}
	if !c.cut.leave(err, len(c.nc.Servers())) {
		return
	}
	c.unreached.log.Warn("the NATS server does not answer for JetStream, connecting to another one of its cluster",
		slog.String("server", c.nc.ConnectedServerName()), slog.Any("error", err))
	_ = c.nc.ForceReconnect() // it fails only on a closed connection
}
