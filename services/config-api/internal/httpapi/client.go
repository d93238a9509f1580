package httpapi

import (
	"net/http"
	"net/netip"
	"strings"
)

// clientAddr returns the address that a request came from. Behind proxies that the
// operator trusts it is the last address in X-Forwarded-For that is not such a
// proxy's: proxies write the end of the header, and a client can make up its
// beginning.
func clientAddr(r *http.Request, trusted []netip.Prefix) netip.Addr {
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := remote.Addr().Unmap()
	if len(trusted) == 0 {
		return addr
	}
	forwarded := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for len(forwarded) > 0 && contains(trusted, addr) {
		last := len(forwarded) - 1
		next, err := netip.ParseAddr(strings.TrimSpace(forwarded[last]))
		if err != nil {
			return addr // the proxy does not say
		}
		addr, forwarded = next.WithZone("").Unmap(), forwarded[:last]
	}
	return addr
}

func contains(prefixes []netip.Prefix, addr netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// networkOf returns what counts as one client: an IPv4 address, or the /64 that
// an IPv6 client may choose its addresses from.
func networkOf(addr netip.Addr) string {
	if addr.Is6() {
		if p, err := addr.Prefix(64); err == nil {
			return p.String()
		}
	}
	return addr.String()
}
