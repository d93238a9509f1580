package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"time"

	"github.com/dialnote/webhooks/pkg/endpoint"
)

// maxAddresses bounds how many of a name's addresses are tried: a name's owner
// can publish thousands.
const maxAddresses = 8

// receiveBuffer is what the kernel keeps of an answer before it is read, in
// bytes: as much as is ever read. Unless it is told so it lets a receiver that
// sends without end send megabytes, for each connection, that nobody reads.
const receiveBuffer = DefaultMaxAnswer

// dialer makes guarded connections: a name with any address that is not
// allowed is refused before anything is connected, and each connection's
// actual address is judged once more as its socket is about to connect.
type dialer struct {
	policy  endpoint.Policy
	timeout time.Duration
	names   *names
	connect func(ctx context.Context, to netip.AddrPort) (net.Conn, error)
	tls     *tls.Config
}

// conn is a connection that knows how it came about.
type conn struct {
	net.Conn
	remote string
	took   durations
}

// durations are the times of the parts of making a connection.
type durations struct{ resolve, connect, tls time.Duration }

// stage is the part of making a connection that failed.
type stage int

const (
	resolving stage = iota
	guarding
	connecting
	securing
)

// dialError is why no connection was made, and how far it came.
type dialError struct {
	stage  stage
	remote string // the address connected to, when only TLS failed
	took   durations
	err    error
}

func (e *dialError) Error() string { return e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

// blockedError is an address that the policy does not allow. It is for the
// operator: the customer is not told what a name resolved to.
type blockedError struct {
	addr  netip.AddrPort
	class endpoint.Class
}

func (e *blockedError) Error() string {
	if e.class.Public {
		return fmt.Sprintf("port of %s is not allowed", e.addr)
	}
	return fmt.Sprintf("address %s is not allowed: %s (%s)", e.addr.Addr(), e.class.Name, e.class.RFC)
}

func newDialer(cfg Config, roots *x509.CertPool) *dialer {
	guarded := &net.Dialer{ControlContext: guard(cfg.Policy)}
	return &dialer{
		policy:  cfg.Policy,
		timeout: cfg.Timeout,
		names:   newNames(cfg.Resolver, !cfg.Policy.AllowPrivate),
		connect: func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
			return frugal(guarded.DialContext(ctx, "tcp", to.String()))
		},
		tls: tlsConfig(roots),
	}
}

// frugal bounds what the kernel keeps of a connection.
func frugal(c net.Conn, err error) (net.Conn, error) {
	if tcp, is := c.(*net.TCPConn); is && err == nil {
		_ = tcp.SetReadBuffer(receiveBuffer) // it works without, at a price
	}
	return c, err
}

// guard returns the dialer's control function: the decisive check, on the
// address that the socket is about to connect to.
func guard(policy endpoint.Policy) func(context.Context, string, string, syscall.RawConn) error {
	return func(_ context.Context, _, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("guard %q: %w", address, err)
		}
		return permit(policy, to)
	}
}

func permit(policy endpoint.Policy, to netip.AddrPort) error {
	if class, ok := policy.PermitsAddr(to.Addr()); !ok {
		return &dialError{stage: guarding, err: &blockedError{addr: to, class: class}}
	}
	return nil
}

// dialPlain connects for http URLs.
func (d *dialer) dialPlain(ctx context.Context, _, address string) (net.Conn, error) {
	ctx, stop := context.WithTimeout(ctx, d.timeout)
	defer stop()
	c, _, err := d.dial(ctx, address)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// dialTLS connects for https URLs. The transport gives a dial its own life,
// without the request's deadline, in the hope that a later request can use the
// connection; so the deadline is set again here.
func (d *dialer) dialTLS(ctx context.Context, _, address string) (net.Conn, error) {
	ctx, stop := context.WithTimeout(ctx, d.timeout)
	defer stop()
	c, host, err := d.dial(ctx, address)
	if err != nil {
		return nil, err
	}
	cfg := d.tls.Clone()
	cfg.ServerName = host
	secure := tls.Client(c, cfg)
	start := time.Now()
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = c.Close() // nothing was sent: there is nothing to lose
		c.took.tls = time.Since(start)
		return nil, &dialError{stage: securing, remote: c.remote, took: c.took, err: err}
	}
	c.took.tls = time.Since(start)
	return secure, nil
}

// dial resolves, guards and connects. It returns the host as well.
func (d *dialer) dial(ctx context.Context, address string) (*conn, string, error) {
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return nil, "", fmt.Errorf("dial %q: %w", address, err)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, "", fmt.Errorf("dial %q: %w", address, err)
	}
	start := time.Now()
	found, err := d.names.resolve(ctx, host)
	if err != nil {
		return nil, "", &dialError{stage: resolving, took: durations{resolve: time.Since(start)}, err: err}
	}
	resolved := time.Now()
	targets := make([]netip.AddrPort, 0, len(found))
	for _, addr := range found {
		to := netip.AddrPortFrom(addr.Unmap(), uint16(port))
		if err := permit(d.policy, to); err != nil {
			return nil, "", err
		}
		targets = append(targets, to)
	}
	targets = interleave(targets)
	raw, err := connectAny(ctx, targets[:min(len(targets), maxAddresses)], d.connect)
	took := durations{resolve: resolved.Sub(start), connect: time.Since(resolved)}
	if err != nil {
		return nil, "", &dialError{stage: connecting, took: took, err: err}
	}
	return &conn{Conn: raw, remote: raw.RemoteAddr().String(), took: took}, host, nil
}
