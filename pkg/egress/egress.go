// Package egress is the only way a request leaves: the HTTP client with the
// address guard, the one deadline, and the bounded capture of the answer.
//
// Every attempt ends in a delivery.Outcome. A failure is not an error here but
// a fact about a customer's endpoint, with a reason for programs and a message
// for people.
package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/dialnote/webhooks/pkg/egress/http1"
	"github.com/dialnote/webhooks/pkg/egress/http2"
	"github.com/dialnote/webhooks/pkg/endpoint"
)

// Limits of the specification, section 4, and of this package.
const (
	DefaultTimeout    = 30 * time.Second // one attempt, from the lookup to the last byte
	DefaultMaxAnswer  = 64 << 10         // bytes read of an answer's body
	DefaultKeepAnswer = 4 << 10          // bytes kept of it

	// Many receivers close an idle connection after a minute, some after five
	// seconds; keeping one longer only wins the race to write into it.
	idleTimeout = 30 * time.Second
)

// Config is what a Client is made from. The zero value of each field is its
// default.
type Config struct {
	Timeout    time.Duration   // one attempt's deadline; DefaultTimeout
	Policy     endpoint.Policy // where requests may go; the strict policy
	UserAgent  string          // sent unless a request names its own
	MaxAnswer  int             // bytes; DefaultMaxAnswer
	KeepAnswer int             // bytes, at most MaxAnswer; DefaultKeepAnswer

	// MaxIdle bounds the idle HTTP/1.1 connections (2,048), and the HTTP/2
	// connections, each. MaxIdlePerHost bounds the idle HTTP/1.1 connections of one
	// organization to one host (512).
	MaxIdle        int
	MaxIdlePerHost int

	// RootCAs are the roots that receivers' certificates are checked against;
	// nil means the system's. ExtraCAFile names a PEM file of further ones.
	RootCAs     *x509.CertPool
	ExtraCAFile string

	// Proxy is the http or https URL of an outbound proxy that opens tunnels
	// (CONNECT), with its user and password if it wants them; "" for none. Names
	// are resolved and addresses judged here all the same.
	Proxy string

	// Resolver looks names up; nil means Go's own, which unlike a C library's
	// never takes odd spellings for addresses.
	Resolver *net.Resolver
}

// Client sends requests. It is safe for concurrent use and keeps connections
// for reuse.
type Client struct {
	timeout   time.Duration
	policy    endpoint.Policy
	userAgent string
	max, keep int
	dialer    *dialer
	http1     *http1.Pool
	http2     *http2.Pool
	onlyHTTP1 hosts     // servers that asked for HTTP/1.1
	scratch   sync.Pool // of *[]byte, to read answers into
	unpackers sync.Pool // of *unpacker
}

// New returns a Client. It returns an error when the configuration is
// contradictory, ExtraCAFile cannot be read, or Proxy is no proxy's URL.
func New(cfg Config) (*Client, error) {
	cfg = cfg.withDefaults()
	if cfg.Timeout < 0 || cfg.MaxAnswer < 0 || cfg.KeepAnswer < 0 || cfg.MaxIdle < 0 || cfg.MaxIdlePerHost < 0 {
		return nil, errors.New("egress: no limit may be negative")
	}
	if cfg.KeepAnswer > cfg.MaxAnswer {
		return nil, fmt.Errorf("egress: cannot keep %d bytes of an answer when only %d are read", cfg.KeepAnswer, cfg.MaxAnswer)
	}
	roots, err := rootCAs(cfg.RootCAs, cfg.ExtraCAFile)
	if err != nil {
		return nil, err
	}
	d := newDialer(cfg, roots)
	if cfg.Proxy != "" {
		u, err := parseProxy(cfg.Proxy)
		if err != nil {
			return nil, err
		}
		d.connect = newProxy(u, cfg, roots).connect
	}
	second, err := http2.NewPool(cfg.MaxIdle, http1.MaxHead, idleTimeout)
	if err != nil {
		return nil, fmt.Errorf("egress: %w", err)
	}
	return &Client{
		timeout:   cfg.Timeout,
		policy:    cfg.Policy,
		userAgent: cfg.UserAgent,
		max:       cfg.MaxAnswer,
		keep:      cfg.KeepAnswer,
		dialer:    d,
		http1:     http1.NewPool(cfg.MaxIdle, cfg.MaxIdlePerHost, idleTimeout),
		http2:     second,
		scratch:   sync.Pool{New: func() any { return new(make([]byte, 4<<10)) }},
		unpackers: sync.Pool{New: func() any { return new(unpacker) }},
	}, nil
}

// Connections returns how many connections are kept for reuse, by protocol: the
// idle ones of "http1", and all of "http2".
func (c *Client) Connections() map[string]int {
	return map[string]int{"http1": c.http1.Idle(), "http2": c.http2.Conns()}
}

// Close closes the idle connections. Requests in flight go on.
func (c *Client) Close() {
	c.http1.Close()
	c.http2.Close(context.Background())
}

func (cfg Config) withDefaults() Config {
	orDefault(&cfg.Timeout, DefaultTimeout)
	orDefault(&cfg.MaxAnswer, DefaultMaxAnswer)
	orDefault(&cfg.KeepAnswer, min(DefaultKeepAnswer, cfg.MaxAnswer))
	orDefault(&cfg.MaxIdle, 2048)
	orDefault(&cfg.MaxIdlePerHost, 512)
	return cfg
}

func orDefault[T comparable](value *T, fallback T) {
	var zero T
	if *value == zero {
		*value = fallback
	}
}

// rootCAs returns the roots with those of a file added. It returns nil, for
// the system's, when there is nothing to add to them.
func rootCAs(roots *x509.CertPool, file string) (*x509.CertPool, error) {
	if file == "" {
		return roots, nil
	}
	pem, err := os.ReadFile(file) //nolint:gosec // the operator's setting, not a customer's input
	if err != nil {
		return nil, fmt.Errorf("read extra CA file: %w", err)
	}
	if roots == nil {
		if roots, err = x509.SystemCertPool(); err != nil {
			return nil, fmt.Errorf("load the system's CAs: %w", err)
		}
	} else {
		roots = roots.Clone()
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("extra CA file %s holds no certificate", file)
	}
	return roots, nil
}

func tlsConfig(roots *x509.CertPool) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		RootCAs:            roots,
		NextProtos:         []string{"h2", "http/1.1"},
		ClientSessionCache: tls.NewLRUClientSessionCache(512),
		// Servers that choose by its path whether a request needs a certificate ask
		// for one after they have read it.
		Renegotiation: tls.RenegotiateOnceAsClient,
	}
}
