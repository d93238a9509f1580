package endpoint_test

import (
	"net/netip"
	"testing"

	"github.com/dialnote/webhooks/pkg/endpoint"
)

// Each range is tested at its first and last address and just outside: where
// before or after is another special range, that row tests it.
func TestClassifyAtTheEdgesOfEachRange(t *testing.T) {
	t.Parallel()
	const public = "" // the name of what is public
	for _, tt := range []struct{ addr, name string }{
		{"0.0.0.0", "This host on this network"},
		{"0.0.0.1", "This network"},
		{"0.255.255.255", "This network"},
		{"1.0.0.0", public},
		{"9.255.255.255", public},
		{"10.0.0.0", "Private-Use"},
		{"10.255.255.255", "Private-Use"},
		{"11.0.0.0", public},
		{"100.63.255.255", public},
		{"100.64.0.0", "Shared Address Space"},
		{"100.127.255.255", "Shared Address Space"},
		{"100.128.0.0", public},
		{"126.255.255.255", public},
		{"127.0.0.0", "Loopback"},
		{"127.255.255.255", "Loopback"},
		{"128.0.0.0", public},
		{"169.253.255.255", public},
		{"169.254.0.0", "Link Local"},
		{"169.254.255.255", "Link Local"},
		{"169.255.0.0", public},
		{"172.15.255.255", public},
		{"172.16.0.0", "Private-Use"},
		{"172.31.255.255", "Private-Use"},
		{"172.32.0.0", public},
		{"191.255.255.255", public},
		{"192.0.0.0", "IPv4 Service Continuity Prefix"},
		{"192.0.0.7", "IPv4 Service Continuity Prefix"},
		{"192.0.0.8", "IPv4 dummy address"},
		{"192.0.0.9", "Port Control Protocol Anycast"},
		{"192.0.0.10", "Traversal Using Relays around NAT Anycast"},
		{"192.0.0.11", "IETF Protocol Assignments"},
		{"192.0.0.169", "IETF Protocol Assignments"},
		{"192.0.0.170", "NAT64/DNS64 Discovery"},
		{"192.0.0.171", "NAT64/DNS64 Discovery"},
		{"192.0.0.172", "IETF Protocol Assignments"},
		{"192.0.0.255", "IETF Protocol Assignments"},
		{"192.0.1.0", public},
		{"192.0.1.255", public},
		{"192.0.2.0", "Documentation (TEST-NET-1)"},
		{"192.0.2.255", "Documentation (TEST-NET-1)"},
		{"192.0.3.0", public},
		{"192.31.195.255", public},
		{"192.31.196.0", "AS112-v4"},
		{"192.31.196.255", "AS112-v4"},
		{"192.31.197.0", public},
		{"192.52.192.255", public},
		{"192.52.193.0", "AMT"},
		{"192.52.193.255", "AMT"},
		{"192.52.194.0", public},
		{"192.88.98.255", public},
		{"192.88.99.0", "Deprecated (6to4 Relay Anycast)"},
		{"192.88.99.1", "Deprecated (6to4 Relay Anycast)"},
		{"192.88.99.2", "6a44-relay anycast address"},
		{"192.88.99.3", "Deprecated (6to4 Relay Anycast)"},
		{"192.88.99.255", "Deprecated (6to4 Relay Anycast)"},
		{"192.88.100.0", public},
		{"192.167.255.255", public},
		{"192.168.0.0", "Private-Use"},
		{"192.168.255.255", "Private-Use"},
		{"192.169.0.0", public},
		{"192.175.47.255", public},
		{"192.175.48.0", "Direct Delegation AS112 Service"},
		{"192.175.48.255", "Direct Delegation AS112 Service"},
		{"192.175.49.0", public},
		{"198.17.255.255", public},
		{"198.18.0.0", "Benchmarking"},
		{"198.19.255.255", "Benchmarking"},
		{"198.20.0.0", public},
		{"198.51.99.255", public},
		{"198.51.100.0", "Documentation (TEST-NET-2)"},
		{"198.51.100.255", "Documentation (TEST-NET-2)"},
		{"198.51.101.0", public},
		{"203.0.112.255", public},
		{"203.0.113.0", "Documentation (TEST-NET-3)"},
		{"203.0.113.255", "Documentation (TEST-NET-3)"},
		{"203.0.114.0", public},
		{"223.255.255.255", public},
		{"224.0.0.0", "Multicast"},
		{"239.255.255.255", "Multicast"},
		{"240.0.0.0", "Reserved"},
		{"255.255.255.254", "Reserved"},
		{"255.255.255.255", "Limited Broadcast"},

		{"::", "Unspecified Address"},
		{"::1", "Loopback Address"},
		{"::2", "IPv4-compatible (deprecated)"},
		{"::8.8.8.8", "IPv4-compatible (deprecated)"},
		{"::ffff:ffff", "IPv4-compatible (deprecated)"},
		{"::1:0:0", "Outside global unicast"},
		{"::ffff:0:0:0", "IPv4-translated"},
		{"::ffff:0:8.8.8.8", "IPv4-translated"},
		{"::ffff:0:ffff:ffff", "IPv4-translated"},
		{"::ffff:1:0:0", "Outside global unicast"},
		{"64:ff9a:ffff:ffff:ffff:ffff:ffff:ffff", "Outside global unicast"},
		{"64:ff9b::", "IPv4-IPv6 Translation"},
		{"64:ff9b::8.8.8.8", "IPv4-IPv6 Translation"},
		{"64:ff9b::ffff:ffff", "IPv4-IPv6 Translation"},
		{"64:ff9b::1:0:0", "Outside global unicast"},
		{"64:ff9b:1::", "IPv4-IPv6 Translation"},
		{"64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "IPv4-IPv6 Translation"},
		{"64:ff9b:2::", "Outside global unicast"},
		{"100::", "Discard-Only Address Block"},
		{"100::ffff:ffff:ffff:ffff", "Discard-Only Address Block"},
		{"100:0:0:1::", "Dummy IPv6 Prefix"},
		{"100:0:0:1:ffff:ffff:ffff:ffff", "Dummy IPv6 Prefix"},
		{"100:0:0:2::", "Outside global unicast"},
		{"1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "Outside global unicast"},
		{"2000::", public},
		{"2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", public},
		{"2001::", "TEREDO"},
		{"2001:0:ffff:ffff:ffff:ffff:ffff:ffff", "TEREDO"},
		{"2001:1::", "IETF Protocol Assignments"},
		{"2001:1::1", "Port Control Protocol Anycast"},
		{"2001:1::2", "Traversal Using Relays around NAT Anycast"},
		{"2001:1::3", "DNS-SD Service Registration Protocol Anycast"},
		{"2001:1::4", "IETF Protocol Assignments"},
		{"2001:2::", "Benchmarking"},
		{"2001:2:0:ffff:ffff:ffff:ffff:ffff", "Benchmarking"},
		{"2001:2:1::", "IETF Protocol Assignments"},
		{"2001:3::", "AMT"},
		{"2001:3:ffff:ffff:ffff:ffff:ffff:ffff", "AMT"},
		{"2001:4:112::", "AS112-v6"},
		{"2001:4:112:ffff:ffff:ffff:ffff:ffff", "AS112-v6"},
		{"2001:4:113::", "IETF Protocol Assignments"},
		{"2001:10::", "Deprecated (previously ORCHID)"},
		{"2001:1f:ffff:ffff:ffff:ffff:ffff:ffff", "Deprecated (previously ORCHID)"},
		{"2001:20::", "ORCHIDv2"},
		{"2001:2f:ffff:ffff:ffff:ffff:ffff:ffff", "ORCHIDv2"},
		{"2001:30::", "Drone Remote ID Protocol Entity Tags"},
		{"2001:3f:ffff:ffff:ffff:ffff:ffff:ffff", "Drone Remote ID Protocol Entity Tags"},
		{"2001:40::", "IETF Protocol Assignments"},
		{"2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "IETF Protocol Assignments"},
		{"2001:200::", public},
		{"2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", public},
		{"2001:db8::", "Documentation"},
		{"2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "Documentation"},
		{"2001:db9::", public},
		{"2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff", public},
		{"2002::", "6to4"},
		{"2002:808:808::1", "6to4"},
		{"2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "6to4"},
		{"2003::", public},
		{"2620:4f:7fff:ffff:ffff:ffff:ffff:ffff", public},
		{"2620:4f:8000::", "Direct Delegation AS112 Service"},
		{"2620:4f:8000:ffff:ffff:ffff:ffff:ffff", "Direct Delegation AS112 Service"},
		{"2620:4f:8001::", public},
		{"3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", public},
		{"3fff::", "Documentation"},
		{"3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "Documentation"},
		{"3fff:1000::", public},
		{"3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", public},
		{"4000::", "Outside global unicast"},
		{"5eff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "Outside global unicast"},
		{"5f00::", "Segment Routing (SRv6) SIDs"},
		{"5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "Segment Routing (SRv6) SIDs"},
		{"5f01::", "Outside global unicast"},
		{"fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "Outside global unicast"},
		{"fc00::", "Unique-Local"},
		{"fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "Unique-Local"},
		{"fe00::", "Outside global unicast"},
		{"fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "Outside global unicast"},
		{"fe80::", "Link-Local Unicast"},
		{"febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "Link-Local Unicast"},
		{"fec0::", "Site-Local (deprecated)"},
		{"feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "Site-Local (deprecated)"},
		{"ff00::", "Multicast"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "Multicast"},

		// A router for ISATAP sends these to the IPv4 address in their end.
		{"2a00:1450::5efe:a00:1", "ISATAP"},
		{"2a00:1450::200:5efe:a00:1", "ISATAP"},
		{"2a00:1450::100:5efe:a00:1", public},
		{"2a00:1450::5eff:a00:1", public},

		// Mapped addresses are judged as what they stand for.
		{"::ffff:8.8.8.8", public},
		{"::ffff:10.0.0.1", "Private-Use"},
		{"::ffff:127.0.0.1", "Loopback"},
		{"::ffff:169.254.169.254", "Cloud metadata service"},

		{"fe80::1%eth0", "Scoped address"},
		{"2606:4700::1%eth0", "Scoped address"},
	} {
		c := endpoint.Classify(netip.MustParseAddr(tt.addr))
		if c.Name != tt.name || c.Public != (tt.name == public) {
			t.Errorf("Classify(%s) = %+v, want the range %q", tt.addr, c, tt.name)
		}
		if c.Prefix.IsValid() && !c.Prefix.Contains(netip.MustParseAddr(tt.addr).Unmap()) {
			t.Errorf("Classify(%s) names the prefix %s, which does not hold it", tt.addr, c.Prefix)
		}
	}
}

func TestNoAddressIsNotPublic(t *testing.T) {
	t.Parallel()
	if c := endpoint.Classify(netip.Addr{}); c.Public || c.Private {
		t.Fatalf("Classify(zero) = %+v", c)
	}
}

func TestPermitsAddr(t *testing.T) {
	t.Parallel()
	strict, private := endpoint.Policy{}, endpoint.Policy{AllowPrivate: true}
	for _, tt := range []struct {
		addr            string
		strict, private bool
	}{
		{"93.184.215.14", true, true},
		{"2606:4700::1111", true, true},
		{"127.0.0.1", false, true},
		{"10.1.2.3", false, true},
		{"100.64.0.1", false, true},
		{"172.20.0.1", false, true},
		{"192.168.1.1", false, true},
		{"::1", false, true},
		{"fd12::1", false, true},
		{"::ffff:10.0.0.1", false, true},

		// Never: what gives credentials away, and what is no receiver.
		{"169.254.169.254", false, false},
		{"169.254.170.2", false, false},
		{"169.254.170.23", false, false},
		{"fd00:ec2::254", false, false},
		{"fd00:ec2::23", false, false},
		{"fd20:ce::254", false, false},
		{"fd00:c1::a9fe:a9fe", false, false},
		{"fd00:42::42", false, false},
		{"100.100.100.200", false, false},
		{"168.63.129.16", false, false},
		{"192.0.0.192", false, false},
		{"::ffff:168.63.129.16", false, false},
		{"0.0.0.0", false, false},
		{"255.255.255.255", false, false},
		{"224.0.0.1", false, false},
		{"fe80::1", false, false},
		{"fd12::1%eth0", false, false},
		{"64:ff9b::a00:1", false, false},
	} {
		addr := netip.MustParseAddr(tt.addr)
		if _, ok := strict.PermitsAddr(addr); ok != tt.strict {
			t.Errorf("strict: PermitsAddr(%s) = %t", tt.addr, ok)
		}
		if _, ok := private.PermitsAddr(addr); ok != tt.private {
			t.Errorf("AllowPrivate: PermitsAddr(%s) = %t", tt.addr, ok)
		}
	}
}

func BenchmarkClassify(b *testing.B) {
	for _, addr := range []string{"93.184.215.14", "2606:4700::1111"} {
		a := netip.MustParseAddr(addr)
		b.Run(addr, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				endpoint.Classify(a)
			}
		})
	}
}
