package endpoint_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/dialnote/webhooks/pkg/endpoint"
)

var errDialed = errors.New("dialed")

// dialed returns the host and port that net/http would connect to for a URL.
func dialed(tb testing.TB, u *url.URL) (host, port string) {
	tb.Helper()
	address := ""
	dial := func(_ context.Context, _, addr string) (net.Conn, error) {
		address = addr
		return nil, errDialed
	}
	transport := &http.Transport{DialContext: dial, DialTLSContext: dial, DisableKeepAlives: true}
	req := (&http.Request{Method: http.MethodPost, URL: u, Header: http.Header{}}).WithContext(tb.Context())
	resp, err := transport.RoundTrip(req)
	if err == nil {
		_ = resp.Body.Close()
	}
	if !errors.Is(err, errDialed) {
		tb.Fatalf("%q: %v", u, err)
	}
	host, port, err = net.SplitHostPort(address)
	if err != nil {
		tb.Fatal(err)
	}
	return host, port
}

// What Check accepts must lead to one host for each of its readers: net/http given
// the customer's text, net/http given the normal form, and url.Parse.
func FuzzOneHost(f *testing.F) {
	for _, seed := range []string{
		"https://example.com/", "https://Example.com:08443?x", "https://bücher.example/ä", "https://[2606:4700::1111]:443/",
		"https://１２７.0.0.1/", "https://127。0。0。1", "https://0x7f.1/", "https://a@b/", "https://a\\@b/", "https://xn--bcher-kva.example", "http://93.184.215.14:80",
		"https://[::ffff:1.2.3.4]/", "https://ß.example", "https://example.com:/", "https://a.b%2fc/", "https://例え.テスト/%zz", "https://a_b.example/?{}",
	} {
		f.Add(seed)
	}
	policy := endpoint.Policy{AllowHTTP: true, AllowPrivate: true}
	f.Fuzz(func(t *testing.T, raw string) {
		if policy.Check(raw) != nil {
			return
		}
		typed, err := url.Parse(raw)
		if err != nil {
			t.Fatalf("Check accepts what url.Parse refuses: %v", err)
		}
		normal, err := endpoint.Normal(raw)
		if err != nil {
			t.Fatalf("Check accepts what Normal refuses: %v", err)
		}
		host, port := dialed(t, normal)
		typedHost, typedPort := dialed(t, typed)
		if !sameHost(host, typedHost) || port != strings.TrimLeft(typedPort, "0") {
			t.Fatalf("%q leads to %s port %s, its normal form %q to %s port %s", raw, typedHost, typedPort, normal, host, port)
		}
		checkSent(t, raw, normal)
		if host != normal.Hostname() {
			t.Fatalf("%q leads to %s, not to its host", normal, host)
		}
		again, err := url.Parse(normal.String())
		if err != nil || again.Host != normal.Host || again.RequestURI() != normal.RequestURI() {
			t.Fatalf("the normal form %q reads back as %q, %v", normal, again, err)
		}
		if len(normal.String()) > endpoint.MaxURLBytes {
			return // escaping made it longer than a URL may be typed
		}
		twice, err := endpoint.Normal(normal.String())
		if err != nil || twice.String() != normal.String() {
			t.Fatalf("Normal(%q) = %q, %v", normal, twice, err)
		}
	})
}

func sameHost(a, b string) bool {
	if x, err := netip.ParseAddr(a); err == nil {
		y, err := netip.ParseAddr(b)
		return err == nil && x == y
	}
	return strings.EqualFold(a, b)
}
