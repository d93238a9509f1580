package egress

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/dialnote/webhooks/pkg/endpoint"
)

// Whatever a policy accepts leads to the host and port that it judged: only that
// name is looked up and only that port connected to. An address is connected to as
// it stands.
func FuzzOneHostIsDialed(f *testing.F) {
	for _, seed := range []string{
		"https://example.com/", "https://Example.com:08443?x", "https://bücher.example/ä", "https://[2606:4700::1111]:443/", "http://93.184.215.14:80",
		"https://１２７.0.0.1/", "https://127。0。0。1", "https://0x7f.1/", "https://2130706433/", "https://a@b/", "https://a\\@b/", "https://[::ffff:1.2.3.4]/",
		"https://example.com:/", "https://a.b%2fc/", "https://10.0.0.1/", "http://localhost:8080/", "https://[fd00::1]:8443/?@127.0.0.1", "https://example.com//127.0.0.1/",
		"https://a.example:8443:9000/", "https://example.com?@10.0.0.1/", "https://xn--bcher-kva.example:65535",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		for _, policy := range []endpoint.Policy{{}, local} {
			u, err := policy.Target(raw)
			if err != nil {
				continue
			}
			name, address := wanted(t, u.Scheme, u.Hostname(), u.Port())
			d := newDialed(t, policy)
			if out := d.client.Send(t.Context(), post(raw)); !errors.Is(out.Cause, errDialed) {
				t.Fatalf("%q: %s %v", raw, out.Reason, out.Cause)
			}
			if strings.TrimSuffix(d.names, ".") != name || d.addresses != address {
				t.Fatalf("%q: %q was looked up and %s connected to, want %q and %s", raw, d.names, d.addresses, name, address)
			}
		}
	})
}

var errDialed = errors.New("dialed")

// anywhere is where every name of these tests leads to.
const anywhere = "93.184.215.14"

// wanted returns the name that must be looked up, "" for none, and the address
// that must be connected to.
func wanted(tb testing.TB, scheme, host, port string) (name, address string) {
	tb.Helper()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[scheme]
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		tb.Fatalf("port %q", port)
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return "", net.JoinHostPort(addr.String(), port)
	}
	return host, net.JoinHostPort(anywhere, port)
}

// dialed is a client that connects to nothing, and what it would have done.
type dialed struct {
	client           *Client
	names, addresses string // all of them, without anything between
}

func newDialed(tb testing.TB, policy endpoint.Policy) *dialed {
	tb.Helper()
	d := &dialed{}
	d.client = client(tb, func(cfg *Config) { cfg.Policy = policy })
	dialer := d.client.dialer
	dialer.names.lookup = func(_ context.Context, network, host string) ([]netip.Addr, error) {
		if network == "ip6" {
			return nil, nil
		}
		d.names += host
		return []netip.Addr{netip.MustParseAddr(anywhere)}, nil
	}
	dialer.connect = func(_ context.Context, to netip.AddrPort) (net.Conn, error) {
		d.addresses += to.String()
		return nil, errDialed
	}
	return d
}
