package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/dialnote/webhooks/pkg/endpoint"
)

// resolutionDelay is how long the addresses of one family wait for those of the
// other (RFC 8305, section 3).
const resolutionDelay = 50 * time.Millisecond

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

// family is what came of looking up a name's addresses of one family.
type family struct {
	addrs []netip.Addr
	err   error // set when there are no addresses
}

// unreachable is when and why the name server could last not be asked at all:
// no descriptor left, no network. net.DNSError drops its cause, so it is noted
// here. It is our failure, and is not recorded as the endpoint's.
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

// resolve returns the addresses of a host, at least one. Both families are asked
// for at the same time, because name servers exist that never answer for IPv6:
// the addresses of the first that has some are returned when the other has not
// answered within resolutionDelay. later then gets the other's, until ctx ends;
// else it is nil.
func (n *names) resolve(ctx context.Context, host string) (addrs []netip.Addr, later <-chan family, err error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr}, nil, nil
	}
	start := time.Now()
	families := n.ask(ctx, host)
	first := <-families
	if len(first.addrs) == 0 {
		second := <-families
		if len(second.addrs) == 0 {
			return nil, nil, n.explain(host, start, first.err, second.err)
		}
		return second.addrs, nil, nil
	}
	delay := time.NewTimer(resolutionDelay)
	defer delay.Stop()
	select {
	case second := <-families:
		return append(first.addrs, second.addrs...), nil, nil
	case <-delay.C:
		return first.addrs, families, nil
	}
}

// ask looks up both families. It sends what comes of each.
func (n *names) ask(ctx context.Context, host string) <-chan family {
	name := host
	if n.absolute {
		name += "."
	}
	families := make(chan family, 2)
	for _, network := range [...]string{"ip4", "ip6"} {
		go func() {
			addrs, err := n.lookup(ctx, network, name)
			if err == nil && len(addrs) == 0 {
				err = &net.DNSError{Err: "no addresses", Name: host, IsNotFound: true}
			}
			families <- family{addrs, err}
		}()
	}
	return families
}

// explain returns the error of a lookup that began at start and gave no address,
// from those of both families. That a family has no addresses says less than
// that the name server did not answer for it. A net.AddrError says that all a
// name has are IPv4 addresses written as IPv6 ones, which the resolver never
// returns.
func (n *names) explain(host string, start time.Time, errs ...error) error {
	if f := n.failed.Load(); f != nil && !f.at.Before(start) {
		return fmt.Errorf("look up %s: %w", host, f)
	}
	chosen := errs[0]
	for _, err := range errs {
		if _, is := errors.AsType[*net.AddrError](err); is {
			return &blockedError{class: endpoint.Class{Name: "IPv4-mapped Address", RFC: "RFC 4291"}}
		}
		if dns, is := errors.AsType[*net.DNSError](err); !is || !dns.IsNotFound {
			chosen = err
		}
	}
	return fmt.Errorf("look up %s: %w", host, chosen)
}
