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
		next, ok := forwardedAddr(strings.TrimSpace(forwarded[last]))
		if !ok {
			return addr // the proxy does not say
		}
		addr, forwarded = next.WithZone("").Unmap(), forwarded[:last]
	}
	return addr
}

// forwardedAddr reads an address as proxies write it: some add the client's port,
// and some put an IPv6 address in brackets.
func forwardedAddr(text string) (addr netip.Addr, ok bool) {
	if with, err := netip.ParseAddrPort(text); err == nil {
		return with.Addr(), true
	}
	if inner, found := strings.CutPrefix(text, "["); found && strings.HasSuffix(inner, "]") {
		text = strings.TrimSuffix(inner, "]")
	}
	addr, err := netip.ParseAddr(text)
	return addr, err == nil
}

func contains(prefixes []netip.Prefix, addr netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}
