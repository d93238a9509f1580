package egress

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/endpoint"
)

// list is what the system says of its interfaces.
type list []string

func (l list) addrs() ([]net.Addr, error) {
	if l == nil {
		return nil, errors.New("no permission")
	}
	all := make([]net.Addr, 0, len(l))
	for _, text := range l {
		ip, network, err := net.ParseCIDR(text)
		if err != nil {
			return nil, err
		}
		all = append(all, &net.IPNet{IP: ip, Mask: network.Mask})
	}
	return all, nil
}

func TestTheMachinesOwnAddressesAreRefused(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	has := list{"198.41.0.4/24", "2001:500:2::c/64", "10.0.0.5/8", "127.0.0.1/8"}
	g := newGuard(endpoint.Policy{})
	g.now, g.interfaces = func() time.Time { return now }, func() ([]net.Addr, error) { return has.addrs() }
	judged := func(address, want string) {
		t.Helper()
		err := g.permit(netip.MustParseAddrPort(address))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", address, err, want)
		}
	}
	judged("198.41.0.4:443", "198.41.0.4 is not allowed: An address of this machine")
	judged("[::ffff:198.41.0.4]:443", "An address of this machine")
	judged("[2001:500:2::c]:443", "An address of this machine")
	judged("198.41.0.5:443", "") // its neighbour
	judged("[2001:500:2::d]:443", "")
	judged("10.0.0.5:443", "Private-Use")

	has = list{"193.0.14.129/24"} // it moved
	judged("198.41.0.4:443", "An address of this machine")
	now = now.Add(interfacesKept)
	judged("198.41.0.4:443", "")
	judged("193.0.14.129:443", "An address of this machine")
	has = nil
	now = now.Add(interfacesKept)
	judged("193.0.14.129:443", "An address of this machine")

	g.policy.AllowPrivate = true // a private installation, this machine included
	judged("193.0.14.129:443", "")
}

// Each machine has addresses, or this guards nothing.
func TestInterfacesAreRead(t *testing.T) {
	t.Parallel()
	g := newGuard(endpoint.Policy{})
	if !g.isOwn(netip.MustParseAddr("127.0.0.1")) {
		t.Errorf("the loopback address is not among %v", g.own)
	}
}
