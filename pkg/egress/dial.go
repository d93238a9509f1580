package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"github.com/dialnote/webhooks/pkg/egress/http1"
	"github.com/dialnote/webhooks/pkg/endpoint"
)

// dialer makes guarded connections: a name with any address that is not
// allowed is refused before anything is connected, and each connection's
// actual address is judged once more as its socket is about to connect.
type dialer struct {
	guard   *guard
	names   *names
	connect connectFunc
	reaches func(ctx context.Context, to netip.AddrPort) bool // an IPv6 address, from here
	tls     *tls.Config
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
	stream *stream // the connection, when only TLS failed
	took   durations
	err    error
}

func (e *dialError) Error() string { return e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

// blockedError is an address that the policy does not allow. It is for the
// operator: the customer's message does not say what a name resolved to.
type blockedError struct {
	addr  netip.AddrPort
	class endpoint.Class
}

func (e *blockedError) Error() string {
	if e.class.Public {
		return fmt.Sprintf("port of %s is not allowed", e.addr)
	}
	if !e.addr.IsValid() {
		return fmt.Sprintf("an address is not allowed: %s (%s)", e.class.Name, e.class.RFC)
	}
	if e.class.RFC == "" {
		return fmt.Sprintf("address %s is not allowed: %s", e.addr.Addr(), e.class.Name)
	}
	return fmt.Sprintf("address %s is not allowed: %s (%s)", e.addr.Addr(), e.class.Name, e.class.RFC)
}

func newDialer(cfg Config, roots *x509.CertPool) *dialer {
	g := newGuard(cfg.Policy)
	guarded := &net.Dialer{ControlContext: g.control}
	return &dialer{
		guard: g,
		names: newNames(cfg.Resolver, !cfg.Policy.AllowPrivate),
		connect: func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
			return newStream(guarded.DialContext(ctx, "tcp", to.String()))
		},
		reaches: reachesIPv6,
		tls:     tlsConfig(roots),
	}
}

// dial makes a connection that is ready for HTTP, until ctx ends: resolved,
// guarded, connected, and secured where the server is an https one. With
// onlyHTTP1 it offers HTTP/1.1 alone. It returns a dialError.
func (d *dialer) dial(ctx context.Context, to http1.Key, onlyHTTP1 bool) (*stream, error) {
	s, err := d.open(ctx, address(to))
	if err != nil || !to.Secure {
		return s, err
	}
	cfg := d.tls.Clone()
	cfg.ServerName = hostname(to)
	if onlyHTTP1 {
		cfg.NextProtos = []string{"http/1.1"}
	}
	cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		s.asked.Store(true)
		return new(tls.Certificate), nil // none: we have none
	}
	start := time.Now()
	secured := s.secure(cfg)
	err = secured.HandshakeContext(ctx)
	s.took.tls = time.Since(start)
	if err != nil {
		s.Abort() // nothing was sent
		return nil, &dialError{stage: securing, stream: s, took: s.took, err: err}
	}
	if s.speaksHTTP2() {
		// Nothing has been read beyond the handshake, so nothing else reads this. An
		// HTTP/2 connection must not be renegotiated (RFC 9113, section 9.2.1).
		cfg.Renegotiation = tls.RenegotiateNever
	}
	return s, nil
}

// open resolves, guards and connects.
func (d *dialer) open(ctx context.Context, address string) (*stream, error) {
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("dial %q: %w", address, err)
	}
	number, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("dial %q: %w", address, err)
	}
	port := uint16(number)
	judge := func(found []netip.Addr) ([]netip.AddrPort, error) { return d.targets(ctx, found, port) }
	start := time.Now()
	ctx, stop := context.WithCancel(ctx)
	defer stop() // of a lookup that is not waited for
	found, later, err := d.names.resolve(ctx, host)
	if blocked(err) {
		return nil, &dialError{stage: guarding, err: err}
	}
	if err != nil {
		return nil, &dialError{stage: resolving, took: durations{resolve: time.Since(start)}, err: err}
	}
	resolved := time.Now()
	targets, err := judge(found)
	if err != nil {
		return nil, err
	}
	c, err := (&race{connect: d.connect, waiting: targets, later: later, judge: judge}).run(ctx)
	if blocked(err) {
		return nil, err
	}
	took := durations{resolve: resolved.Sub(start), connect: time.Since(resolved)}
	if err != nil {
		return nil, &dialError{stage: connecting, took: took, err: err}
	}
	s := c.(*stream) //nolint:forcetypeassert // connect returns one
	s.took = took
	return s, nil
}

// targets returns a name's addresses in the order in which they are to be tried,
// or a dialError when one of them is not allowed.
func (d *dialer) targets(ctx context.Context, found []netip.Addr, port uint16) ([]netip.AddrPort, error) {
	var v4, v6 []netip.AddrPort
	for _, addr := range found {
		to := netip.AddrPortFrom(addr.Unmap(), port)
		if err := d.guard.permit(to); err != nil {
			return nil, err
		}
		if to.Addr().Is4() {
			v4 = append(v4, to)
		} else {
			v6 = append(v6, to)
		}
	}
	if len(v4) > 0 && len(v6) > 0 && !d.reaches(ctx, v6[0]) {
		return alternate(v4, v6), nil
	}
	return alternate(v6, v4), nil
}

// reachesIPv6 reports whether this machine has an address to send to an IPv6
// address from: a public one for a public one. It is the part of RFC 6724,
// section 5, that decides between the families. Nothing is sent.
func reachesIPv6(ctx context.Context, to netip.AddrPort) bool {
	c, err := new(net.Dialer).DialContext(ctx, "udp", to.String())
	if err != nil {
		return false
	}
	defer c.Close() //nolint:errcheck // nothing was sent on it
	from, err := netip.ParseAddrPort(c.LocalAddr().String())
	return err == nil && (endpoint.Classify(from.Addr()).Public || !endpoint.Classify(to.Addr()).Public)
}

// address returns the host and port that connections of a key lead to.
func address(to http1.Key) string {
	u := url.URL{Host: to.Host}
	switch {
	case u.Port() != "":
		return to.Host
	case to.Secure:
		return net.JoinHostPort(u.Hostname(), "443")
	default:
		return net.JoinHostPort(u.Hostname(), "80")
	}
}

func hostname(to http1.Key) string { return (&url.URL{Host: to.Host}).Hostname() }
