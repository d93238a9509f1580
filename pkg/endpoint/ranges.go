package endpoint

import "net/netip"

// specialRange is a row of IANA's special-purpose address registries.
type specialRange struct {
	prefix  string
	name    string
	rfc     string
	private bool // a private installation may allow it
}

func (r specialRange) parse() classRange {
	prefix := netip.MustParsePrefix(r.prefix)
	return classRange{prefix, Class{Private: r.private, Name: r.name, Prefix: prefix, RFC: r.rfc}}
}

// ranges4 is IANA's IPv4 special-purpose registry, with multicast from its own
// registry, the narrower range first. The ranges that the registry calls
// globally reachable (anycast services of the nearest network, AS112, AMT) are
// refused with the others: no receiver of webhooks lives there.
func ranges4() [26]specialRange {
	return [...]specialRange{
		{prefix: "0.0.0.0/32", name: "This host on this network", rfc: "RFC 1122"},
		{prefix: "0.0.0.0/8", name: "This network", rfc: "RFC 791"},
		{prefix: "10.0.0.0/8", name: "Private-Use", rfc: "RFC 1918", private: true},
		{prefix: "100.64.0.0/10", name: "Shared Address Space", rfc: "RFC 6598", private: true},
		{prefix: "127.0.0.0/8", name: "Loopback", rfc: "RFC 1122", private: true},
		{prefix: "169.254.0.0/16", name: "Link Local", rfc: "RFC 3927"},
		{prefix: "172.16.0.0/12", name: "Private-Use", rfc: "RFC 1918", private: true},
		{prefix: "192.0.0.0/29", name: "IPv4 Service Continuity Prefix", rfc: "RFC 7335"},
		{prefix: "192.0.0.8/32", name: "IPv4 dummy address", rfc: "RFC 7600"},
		{prefix: "192.0.0.9/32", name: "Port Control Protocol Anycast", rfc: "RFC 7723"},
		{prefix: "192.0.0.10/32", name: "Traversal Using Relays around NAT Anycast", rfc: "RFC 8155"},
		{prefix: "192.0.0.170/31", name: "NAT64/DNS64 Discovery", rfc: "RFC 7050"},
		{prefix: "192.0.0.0/24", name: "IETF Protocol Assignments", rfc: "RFC 6890"},
		{prefix: "192.0.2.0/24", name: "Documentation (TEST-NET-1)", rfc: "RFC 5737"},
		{prefix: "192.31.196.0/24", name: "AS112-v4", rfc: "RFC 7535"},
		{prefix: "192.52.193.0/24", name: "AMT", rfc: "RFC 7450"},
		{prefix: "192.88.99.2/32", name: "6a44-relay anycast address", rfc: "RFC 6751"},
		{prefix: "192.88.99.0/24", name: "Deprecated (6to4 Relay Anycast)", rfc: "RFC 7526"},
		{prefix: "192.168.0.0/16", name: "Private-Use", rfc: "RFC 1918", private: true},
		{prefix: "192.175.48.0/24", name: "Direct Delegation AS112 Service", rfc: "RFC 7534"},
		{prefix: "198.18.0.0/15", name: "Benchmarking", rfc: "RFC 2544"},
		{prefix: "198.51.100.0/24", name: "Documentation (TEST-NET-2)", rfc: "RFC 5737"},
		{prefix: "203.0.113.0/24", name: "Documentation (TEST-NET-3)", rfc: "RFC 5737"},
		{prefix: "224.0.0.0/4", name: "Multicast", rfc: "RFC 5771"},
		{prefix: "255.255.255.255/32", name: "Limited Broadcast", rfc: "RFC 8190"},
		{prefix: "240.0.0.0/4", name: "Reserved", rfc: "RFC 1112"},
	}
}

// ranges6 is IANA's IPv6 special-purpose registry, with the deprecated and
// multicast ranges of RFC 4291 and RFC 3879, the narrower range first. Every
// range that carries an IPv4 address inside is refused whatever that address
// is (specification, section 9), also the prefix of NAT64. A dispatcher must
// therefore not resolve names through DNS64.
func ranges6() [28]specialRange {
	return [...]specialRange{
		{prefix: "::1/128", name: "Loopback Address", rfc: "RFC 4291", private: true},
		{prefix: "::/128", name: "Unspecified Address", rfc: "RFC 4291"},
		{prefix: "::/96", name: "IPv4-compatible (deprecated)", rfc: "RFC 4291"},
		{prefix: "::ffff:0:0:0/96", name: "IPv4-translated", rfc: "RFC 2765"},
		{prefix: "64:ff9b::/96", name: "IPv4-IPv6 Translation", rfc: "RFC 6052"},
		{prefix: "64:ff9b:1::/48", name: "IPv4-IPv6 Translation", rfc: "RFC 8215"},
		{prefix: "100::/64", name: "Discard-Only Address Block", rfc: "RFC 6666"},
		{prefix: "100:0:0:1::/64", name: "Dummy IPv6 Prefix", rfc: "RFC 9780"},
		{prefix: "2001::/32", name: "TEREDO", rfc: "RFC 4380"},
		{prefix: "2001:1::1/128", name: "Port Control Protocol Anycast", rfc: "RFC 7723"},
		{prefix: "2001:1::2/128", name: "Traversal Using Relays around NAT Anycast", rfc: "RFC 8155"},
		{prefix: "2001:1::3/128", name: "DNS-SD Service Registration Protocol Anycast", rfc: "RFC 9665"},
		{prefix: "2001:2::/48", name: "Benchmarking", rfc: "RFC 5180"},
		{prefix: "2001:3::/32", name: "AMT", rfc: "RFC 7450"},
		{prefix: "2001:4:112::/48", name: "AS112-v6", rfc: "RFC 7535"},
		{prefix: "2001:10::/28", name: "Deprecated (previously ORCHID)", rfc: "RFC 4843"},
		{prefix: "2001:20::/28", name: "ORCHIDv2", rfc: "RFC 7343"},
		{prefix: "2001:30::/28", name: "Drone Remote ID Protocol Entity Tags", rfc: "RFC 9374"},
		{prefix: "2001::/23", name: "IETF Protocol Assignments", rfc: "RFC 2928"},
		{prefix: "2001:db8::/32", name: "Documentation", rfc: "RFC 3849"},
		{prefix: "2002::/16", name: "6to4", rfc: "RFC 3056"},
		{prefix: "2620:4f:8000::/48", name: "Direct Delegation AS112 Service", rfc: "RFC 7534"},
		{prefix: "3fff::/20", name: "Documentation", rfc: "RFC 9637"},
		{prefix: "5f00::/16", name: "Segment Routing (SRv6) SIDs", rfc: "RFC 9602"},
		{prefix: "fc00::/7", name: "Unique-Local", rfc: "RFC 4193", private: true},
		{prefix: "fe80::/10", name: "Link-Local Unicast", rfc: "RFC 4291"},
		{prefix: "fec0::/10", name: "Site-Local (deprecated)", rfc: "RFC 3879"},
		{prefix: "ff00::/8", name: "Multicast", rfc: "RFC 4291"},
	}
}
