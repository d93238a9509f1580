package httpapi

import (
	"net/http"
	"net/netip"
	"testing"
)

func TestClientAddr(t *testing.T) {
	t.Parallel()
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for _, tt := range []struct {
		remote, forwarded string
		trusted           []netip.Prefix
		want              string
	}{
		{"203.0.113.7:1234", "", nil, "203.0.113.7"},
		{"203.0.113.7:1234", "198.51.100.1", nil, "203.0.113.7"},
		{"203.0.113.7:1234", "198.51.100.1", trusted, "203.0.113.7"}, // not by a proxy of ours
		{"10.1.2.3:1234", "198.51.100.1", nil, "10.1.2.3"},
		{"10.1.2.3:1234", "198.51.100.1", trusted, "198.51.100.1"},
		{"10.1.2.3:1234", "made.up, 192.0.2.1, 198.51.100.1", trusted, "198.51.100.1"},
		{"10.1.2.3:1234", "198.51.100.1,10.9.9.9", trusted, "198.51.100.1"},
		{"10.1.2.3:1234", "10.9.9.9", trusted, "10.9.9.9"},
		{"10.1.2.3:1234", "", trusted, "10.1.2.3"},
		{"10.1.2.3:1234", "unknown", trusted, "10.1.2.3"},
		{"[::ffff:10.1.2.3]:1234", "::ffff:198.51.100.1", trusted, "198.51.100.1"},
		{"[fd00::1]:1234", "2001:db8::1%eth0", trusted, "2001:db8::1"},
		{"10.1.2.3:1234", "198.51.100.1:40000", trusted, "198.51.100.1"},
		{"10.1.2.3:1234", "198.51.100.1:40000, 10.9.9.9:80", trusted, "198.51.100.1"},
		{"10.1.2.3:1234", "[2001:db8::1]:40000", trusted, "2001:db8::1"},
		{"10.1.2.3:1234", "[2001:db8::1]", trusted, "2001:db8::1"},
		{"10.1.2.3:1234", "192.0.2.1, [2001:db8::1", trusted, "10.1.2.3"},
		{"10.1.2.3:1234", "192.0.2.1, 198.51.100.1:port", trusted, "10.1.2.3"},
		{"10.1.2.3:1234", "192.0.2.1, :40000", trusted, "10.1.2.3"},
	} {
		r := &http.Request{RemoteAddr: tt.remote, Header: http.Header{}}
		if tt.forwarded != "" {
			r.Header.Set("X-Forwarded-For", tt.forwarded)
		}
		if got := clientAddr(r, tt.trusted).String(); got != tt.want {
			t.Errorf("from %s, forwarded for %q: %s, want %s", tt.remote, tt.forwarded, got, tt.want)
		}
	}
	if addr := clientAddr(&http.Request{RemoteAddr: "@"}, nil); addr.IsValid() {
		t.Errorf("no address is %s", addr)
	}
}
