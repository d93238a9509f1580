package egress

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// names looks host names up.
type names struct {
	lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)

	// absolute makes every name a complete one, so that the machine's search
	// list cannot turn it into a name of its own network. (It also saves a
	// cluster's many futile questions.)
	absolute bool

	dial   func(ctx context.Context, network, address string) (net.Conn, error)
	failed atomic.Pointer[unreachable]
}

// unreachable is when and why the name server could last not be asked at all:
// no descriptor left, no network. net.DNSError drops its cause, so it is noted
// here. It is our trouble, and must not be told as the endpoint's.
type unreachable struct {
	at  time.Time
	err error
}

func (u *unreachable) Error() string { return "cannot ask the name server: " + u.err.Error() }
func (u *unreachable) Unwrap() error { return u.err }

// newNames returns names that asks resolver, or Go's own when it is nil.
func newNames(resolver *net.Resolver, absolute bool) *names {
	n := &names{absolute: absolute, dial: new(net.Dialer).DialContext}
	if resolver == nil {
		resolver = &net.Resolver{PreferGo: true, Dial: n.dialServer}
	}
	n.lookup = resolver.LookupNetIP
	return n
}

func (n *names) dialServer(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := n.dial(ctx, network, address)
	if err != nil && ctx.Err() == nil {
		n.failed.Store(&unreachable{at: time.Now(), err: err})
	}
	return c, err
}

// resolve returns the addresses of a host, at least one.
func (n *names) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr}, nil
	}
	name := host
	if n.absolute {
		name += "."
	}
	start := time.Now()
	addrs, err := n.lookup(ctx, "ip", name)
	if err != nil {
		if f := n.failed.Load(); f != nil && !f.at.Before(start) {
			return nil, fmt.Errorf("look up %s: %w", host, f)
		}
		return nil, fmt.Errorf("look up %s: %w", host, err)
	}
	if len(addrs) == 0 {
		return nil, &net.DNSError{Err: "no addresses", Name: host, IsNotFound: true}
	}
	return addrs, nil
}
