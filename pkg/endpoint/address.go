package endpoint

import (
	"net/netip"
	"sync"
)

// Class says what kind of address an IP address is.
type Class struct {
	// Public is true for an address that is reached from anywhere on the Internet.
	Public bool

	// Private is true for an address of a private network, or of this machine,
	// that a private installation may want to reach.
	Private bool

	// Name, Prefix and RFC describe the special range of an address that is
	// not public, for the operator. Name is the name in IANA's registries.
	Name   string
	Prefix netip.Prefix
	RFC    string
}

// Classify returns the class of an address. An IPv4 address mapped into IPv6
// is judged as IPv4. Addresses with a zone, and the zero Addr, are never
// public.
//
// IPv4 is public unless it stands in the table of special ranges. IPv6 is
// public only within 2000::/3, the one block from which addresses are given
// out, and there too unless it stands in the table.
func Classify(a netip.Addr) Class {
	if !a.IsValid() {
		return Class{Name: "Not an address"}
	}
	if a.Zone() != "" {
		return Class{Name: "Scoped address", RFC: "RFC 4007"}
	}
	a = a.Unmap()
	if c, ok := metadataService(a); ok {
		return c
	}
	if a.Is4() {
		return classify4(a)
	}
	return classify6(a)
}

func classify4(a netip.Addr) Class {
	for _, r := range special().ranges4 {
		if r.prefix.Contains(a) {
			return r.class
		}
	}
	return Class{Public: true}
}

func classify6(a netip.Addr) Class {
	for _, r := range special().ranges6 {
		if r.prefix.Contains(a) {
			return r.class
		}
	}
	given := netip.MustParsePrefix("2000::/3")
	if !given.Contains(a) {
		return Class{Name: "Outside global unicast", RFC: "RFC 4291"}
	}
	if isISATAP(a) {
		return Class{Name: "ISATAP", RFC: "RFC 5214"}
	}
	return Class{Public: true}
}

// isISATAP reports whether the interface identifier holds an IPv4 address, as
// a router for ISATAP would unpack it.
func isISATAP(a netip.Addr) bool {
	b := a.As16()
	return (b[8] == 0x00 || b[8] == 0x02) && b[9] == 0x00 && b[10] == 0x5e && b[11] == 0xfe
}

// metadataService returns the class of the addresses at which clouds give
// credentials to every program that asks. They are refused even where private addresses
// are allowed; one of them lies among public ones.
func metadataService(a netip.Addr) (Class, bool) {
	name, ok := special().metadata[a]
	if !ok {
		return Class{}, false
	}
	return Class{Name: name, Prefix: netip.PrefixFrom(a, a.BitLen())}, true
}

// table is what is known of special addresses, parsed.
type table struct {
	ranges4, ranges6 []classRange
	metadata         map[netip.Addr]string
}

type classRange struct {
	prefix netip.Prefix
	class  Class
}

// special returns the table. It is made once: every request to an address in a
// URL is judged by it.
var special = sync.OnceValue(func() table { //nolint:gochecknoglobals // a constant that Go cannot write down
	t := table{metadata: make(map[netip.Addr]string)}
	for _, r := range ranges4() {
		t.ranges4 = append(t.ranges4, r.parse())
	}
	for _, r := range ranges6() {
		t.ranges6 = append(t.ranges6, r.parse())
	}
	for name, addresses := range metadataServices() {
		for _, a := range addresses {
			t.metadata[netip.MustParseAddr(a)] = name
		}
	}
	return t
})

func metadataServices() map[string][]string {
	return map[string][]string{
		"Cloud metadata service":         {"169.254.169.254", "fd00:ec2::254", "fd20:ce::254", "fd00:c1::a9fe:a9fe", "fd00:42::42"},
		"Container credentials service":  {"169.254.170.2", "169.254.170.23", "fd00:ec2::23"},
		"Alibaba Cloud metadata service": {"100.100.100.200"},
		"Azure platform service":         {"168.63.129.16"},
		"Oracle Cloud metadata service":  {"192.0.0.192"},
	}
}
