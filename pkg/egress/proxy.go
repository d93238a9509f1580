package egress

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// maxConnectAnswer bounds what is read of a proxy's answer to CONNECT, in bytes.
const maxConnectAnswer = 16 << 10

// proxy makes connections through the operator's own proxy, for installations
// whose requests must leave from a fixed address. It changes nothing about the
// guard: names are resolved and judged here, and the proxy is sent an address,
// never a name that it could resolve to another one.
//
// The proxy's own address is the operator's setting and is not judged.
type proxy struct {
	guard         *guard
	address       string // host:port
	tls           *tls.Config
	authorization string // of the proxy, "" for none

	// maxWait is how long the proxy may take to be reached: less than an
	// attempt has, so that an attempt can tell a proxy that is away from an endpoint that is.
	maxWait time.Duration

	dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// proxyError is a failure of the proxy itself. It is our failure, and is
// not recorded as the endpoint's.
type proxyError struct{ err error }

func (e *proxyError) Error() string { return "outbound proxy: " + e.err.Error() }
func (e *proxyError) Unwrap() error { return e.err }

// parseProxy returns the URL of an outbound proxy: an http or https URL with a
// host, perhaps a user and a password, and nothing else. Its error does not hold
// the URL: it may have a password.
func parseProxy(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, errors.New("outbound proxy: the URL cannot be read") // its own text quotes the URL
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("outbound proxy: the URL must begin with http:// or https://")
	case u.Hostname() == "" || u.Opaque != "":
		return nil, errors.New("outbound proxy: the URL has no host")
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("outbound proxy: the URL must end after the host and port")
	}
	return u, nil
}

// newProxy returns the proxy of a URL that parseProxy accepts.
func newProxy(u *url.URL, cfg Config, roots *x509.CertPool) *proxy {
	port := u.Port()
	p := &proxy{guard: newGuard(cfg.Policy), maxWait: cfg.Timeout / 3, dial: new(net.Dialer).DialContext}
	if u.Scheme == "https" {
		p.tls = tlsConfig(roots)
		p.tls.NextProtos = []string{"http/1.1"}
		p.tls.ServerName = u.Hostname()
		if port == "" {
			port = "443"
		}
	}
	if port == "" {
		port = "80"
	}
	p.address = net.JoinHostPort(u.Hostname(), port)
	if u.User != nil {
		password, _ := u.User.Password()
		p.authorization = "Basic " + base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password))
	}
	return p
}

// connect returns a connection to an address through the proxy. The address is
// judged here, as there is no socket of ours that would connect to it.
func (p *proxy) connect(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	if err := p.guard.permit(to); err != nil {
		return nil, err
	}
	c, err := p.reach(ctx)
	if err != nil {
		return nil, &proxyError{err}
	}
	if err := p.ask(ctx, c, to); err != nil {
		_ = c.Close() // nothing was sent on it
		return nil, err
	}
	c.remote = to.String()
	return c, nil
}

// reach connects to the proxy.
func (p *proxy) reach(ctx context.Context) (*stream, error) {
	ctx, stop := context.WithTimeout(ctx, p.maxWait)
	defer stop()
	c, err := newStream(p.dial(ctx, "tcp", p.address))
	if err != nil {
		return nil, err
	}
	s := c.(*stream) //nolint:forcetypeassert // as newStream says
	if p.tls == nil {
		return s, nil
	}
	if err := s.secure(p.tls).HandshakeContext(ctx); err != nil {
		s.Abort() // nothing was sent on it
		return nil, fmt.Errorf("secure the connection: %w", err)
	}
	return s, nil
}

// ask has the proxy open the tunnel (RFC 9110, section 9.3.6). It returns a
// proxyError for whatever the proxy itself did wrong or refuses, and another
// error when the proxy says, or its silence says, that the address does not
// answer.
func (p *proxy) ask(ctx context.Context, c net.Conn, to netip.AddrPort) error {
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	head := "CONNECT " + to.String() + " HTTP/1.1\r\nHost: " + to.String() + "\r\n"
	if p.authorization != "" {
		head += "Proxy-Authorization: " + p.authorization + "\r\n"
	}
	if _, err := io.WriteString(c, head+"\r\n"); err != nil {
		return &proxyError{fmt.Errorf("ask for a tunnel: %w", err)}
	}
	answer := bufio.NewReader(io.LimitReader(c, maxConnectAnswer))
	resp, err := http.ReadResponse(answer, &http.Request{Method: http.MethodConnect}) //nolint:bodyclose // what follows is the tunnel, not a body
	if ctx.Err() != nil {
		return fmt.Errorf("wait for a tunnel: %w", context.Cause(ctx))
	}
	if err != nil {
		return &proxyError{fmt.Errorf("read the answer to CONNECT: %w", err)}
	}
	if !stop() {
		return fmt.Errorf("wait for a tunnel: %w", context.Cause(ctx))
	}
	switch {
	case resp.StatusCode >= 200 && resp.StatusCode <= 299 && answer.Buffered() > 0:
		return &proxyError{errors.New("it sent more than an answer to CONNECT")}
	case resp.StatusCode >= 200 && resp.StatusCode <= 299:
		return nil
	case resp.StatusCode == http.StatusBadGateway, resp.StatusCode == http.StatusServiceUnavailable, resp.StatusCode == http.StatusGatewayTimeout:
		// Proxies answer this when the receiver does not; only the proxy knows.
		return fmt.Errorf("the outbound proxy could not connect: %d", resp.StatusCode)
	default:
		return &proxyError{fmt.Errorf("it refuses CONNECT with %d", resp.StatusCode)}
	}
}
