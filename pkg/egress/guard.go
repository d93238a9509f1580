package egress

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/dialnote/webhooks/pkg/endpoint"
)

// interfacesKept is how long the addresses of this machine's interfaces are kept: a
// connection is made far more often than an interface gets an address.
const interfacesKept = time.Minute

// guard decides which addresses requests may go to: those that the policy permits,
// without this machine's own. A public address of its own leads past the firewall
// before it. Safe for concurrent use.
type guard struct {
	policy     endpoint.Policy
	interfaces func() ([]net.Addr, error)
	now        func() time.Time

	mu   sync.Mutex
	own  map[netip.Addr]bool
	read time.Time // zero before the first time
}

func newGuard(policy endpoint.Policy) *guard {
	return &guard{policy: policy, interfaces: net.InterfaceAddrs, now: time.Now}
}

// control is the dialer's control function: the decisive check, on the address that
// the socket is about to connect to.
func (g *guard) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("guard %q: %w", address, err)
	}
	return g.permit(to)
}

// permit returns nil, or a dialError for an address that is not allowed.
func (g *guard) permit(to netip.AddrPort) error {
	class, ok := g.policy.PermitsAddr(to.Addr())
	if ok && !g.policy.AllowPrivate && g.isOwn(to.Addr()) {
		class, ok = endpoint.Class{Name: "An address of this machine"}, false
	}
	if !ok {
		return &dialError{stage: guarding, err: &blockedError{addr: to, class: class}}
	}
	return nil
}

// isOwn reports whether an address is one of this machine's interfaces. It goes by
// what it read last when they cannot be read.
func (g *guard) isOwn(a netip.Addr) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now := g.now(); g.read.IsZero() || now.Sub(g.read) >= interfacesKept {
		g.read = now
		if all, err := g.interfaces(); err == nil {
			g.own = addresses(all)
		}
	}
	return g.own[a.Unmap()]
}

// addresses returns the addresses of interfaces.
func addresses(all []net.Addr) map[netip.Addr]bool {
	own := make(map[netip.Addr]bool, len(all))
	for _, one := range all {
		if prefix, err := netip.ParsePrefix(one.String()); err == nil {
			own[prefix.Addr().Unmap().WithZone("")] = true
		}
	}
	return own
}
