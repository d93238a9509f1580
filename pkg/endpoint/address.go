package endpoint

import "net/netip"

// Class says what kind of address an IP address is.
type Class struct {
	// Public is true for an address that anybody on the Internet reaches.
	Public bool

	// Private is true for an address of somebody's own network, or of this
	// machine, that a private installation may want to reach.
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
	for _, r := range ranges4() {
		if prefix := netip.MustParsePrefix(r.prefix); prefix.Contains(a) {
			return r.class(prefix)
		}
	}
	return Class{Public: true}
}

func classify6(a netip.Addr) Class {
	for _, r := range ranges6() {
		if prefix := netip.MustParsePrefix(r.prefix); prefix.Contains(a) {
			return r.class(prefix)
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

// metadataService returns the class of the addresses at which clouds hand
// credentials to whoever asks. They are refused even where private addresses
// are allowed; one of them lies among public ones.
func metadataService(a netip.Addr) (Class, bool) {
	name := ""
	switch a.String() {
	case "169.254.169.254", "fd00:ec2::254", "fd20:ce::254", "fd00:c1::a9fe:a9fe", "fd00:42::42":
		name = "Cloud metadata service"
	case "169.254.170.2", "169.254.170.23", "fd00:ec2::23":
		name = "Container credentials service"
	case "100.100.100.200":
		name = "Alibaba Cloud metadata service"
	case "168.63.129.16":
		name = "Azure platform service"
	case "192.0.0.192":
		name = "Oracle Cloud metadata service"
	default:
		return Class{}, false
	}
	return Class{Name: name, Prefix: netip.PrefixFrom(a, a.BitLen())}, true
}
