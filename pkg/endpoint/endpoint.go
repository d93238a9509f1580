// Package endpoint says where a request may go: the rules of a webhook's URL
// as text, and the classes of IP addresses. It does no I/O; egress applies it
// again to the resolved address of every connection.
package endpoint

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/dialnote/webhooks/pkg/fault"
)

// Policy is the operator's choice of where requests may go. The zero Policy is
// the strict one of the specification, section 9: https, public addresses,
// the default ports.
type Policy struct {
	// AllowHTTP also allows http URLs, and port 80 for them.
	AllowHTTP bool

	// AllowPrivate also allows the addresses whose Class is Private, and names
	// that only a local network knows. Cloud metadata, link-local, multicast
	// and reserved addresses stay refused.
	AllowPrivate bool

	// Deny are networks whose addresses are refused, whatever else is allowed. An
	// IPv4 network also holds its addresses mapped into IPv6.
	Deny []netip.Prefix

	// Ports are the ports that may be used. The zero PortSet is the default.
	Ports PortSet
}

// Check returns nil when a webhook may have raw as its URL, and else a
// *fault.Error of kind Invalid whose field "/url" says in plain words which
// rule is broken. It judges the text only; nothing is looked up, since the
// name may not exist yet.
func (p Policy) Check(raw string) error {
	_, err := p.Target(raw)
	return err
}

// Target returns the normal form of raw when it passes Check, and Check's
// error otherwise.
func (p Policy) Target(raw string) (*url.URL, error) {
	u, err := Normal(raw)
	if err != nil {
		return nil, err
	}
	if err := p.CheckNormal(u); err != nil {
		return nil, err
	}
	return u, nil
}

// CheckNormal is Check for a URL that Normal returned. It returns a *fault.Error
// of kind Invalid that names the broken rule.
func (p Policy) CheckNormal(u *url.URL) error {
	if u.Scheme != "https" && !p.AllowHTTP {
		return refusal("The URL must start with https://.")
	}
	if !p.permitsPort(u) {
		return refusal("The URL's port is not allowed. Allowed are " + p.Ports.String() + ".")
	}
	return p.checkHost(u.Hostname())
}

// PermitsAddr reports whether a connection to an address is allowed, and the
// class of the address. It is the decisive check, made on what a name resolved
// to.
func (p Policy) PermitsAddr(a netip.Addr) (Class, bool) {
	for _, denied := range p.Deny {
		if denied.Contains(a.Unmap()) {
			return Class{Name: "Denied by the operator", Prefix: denied}, false
		}
	}
	c := Classify(a)
	return c, c.Public || (p.AllowPrivate && c.Private)
}

func (p Policy) permitsPort(u *url.URL) bool {
	if u.Port() == "" {
		return u.Scheme == "http" || p.Ports.Has(443)
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	return err == nil && p.Ports.Has(uint16(port))
}

// checkHost judges a host in its normal form: an address, or a name that
// cannot be taken for one.
func (p Policy) checkHost(host string) error {
	if isAddress(host) {
		addr, err := netip.ParseAddr(host)
		if err != nil {
			return refusal("The URL's host is not a valid address.")
		}
		if _, ok := p.PermitsAddr(addr); !ok {
			return refusal("The URL's address is not allowed: it is private or reserved, not a public address.")
		}
		return nil
	}
	if p.AllowPrivate {
		return nil
	}
	if !strings.Contains(host, ".") || localOnly(host) {
		return refusal("The URL's host is only known in a local network. Use a public host name.")
	}
	return nil
}

// refusal returns the error of a URL that breaks a rule.
func refusal(detail string) *fault.Error {
	return fault.InvalidFields(fault.Field{Pointer: "/url", Detail: detail})
}
