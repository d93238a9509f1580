package endpoint_test

import (
	"net/netip"
	"testing"

	"github.com/dialnote/webhooks/pkg/endpoint"
)

func TestDeniedNetworks(t *testing.T) {
	t.Parallel()
	deny := []netip.Prefix{netip.MustParsePrefix("198.41.0.0/24"), netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("2001:500:2::/48")}
	for _, c := range []struct {
		address           string
		strict, permitted bool // by the strict policy, and by one that allows private networks
	}{
		{"198.40.255.255", true, true},
		{"198.41.0.0", false, false},
		{"198.41.0.255", false, false},
		{"198.41.1.0", true, true},
		{"::ffff:198.41.0.4", false, false},
		{"2001:500:2::1", false, false},
		{"2001:500:3::1", true, true},
		{"10.0.255.255", false, true},
		{"10.1.0.0", false, false},
		{"10.2.0.0", false, true},
	} {
		a := netip.MustParseAddr(c.address)
		if _, ok := (endpoint.Policy{Deny: deny}).PermitsAddr(a); ok != c.strict {
			t.Errorf("%s: %t", c.address, ok)
		}
		if _, ok := (endpoint.Policy{Deny: deny, AllowPrivate: true}).PermitsAddr(a); ok != c.permitted {
			t.Errorf("%s with private networks: %t", c.address, ok)
		}
	}
	if err := (endpoint.Policy{Deny: deny}).Check("https://198.41.0.4/hook"); err == nil {
		t.Error("a denied address was saved")
	}
	if err := (endpoint.Policy{Deny: deny}).Check("https://198.41.1.4/hook"); err != nil {
		t.Error(err)
	}
}
