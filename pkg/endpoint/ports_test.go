package endpoint_test

import (
	"testing"

	"github.com/dialnote/webhooks/pkg/endpoint"
)

func TestPortSet(t *testing.T) {
	t.Parallel()
	zero, parsed := endpoint.PortSet{}, ports(t, endpoint.DefaultPorts)
	for port, want := range map[uint16]bool{0: false, 80: false, 442: false, 443: true, 444: false, 1023: false, 1024: true, 8443: true, 65535: true} {
		if zero.Has(port) != want || parsed.Has(port) != want {
			t.Errorf("Has(%d): zero %t, parsed %t, want %t", port, zero.Has(port), parsed.Has(port), want)
		}
	}
	if zero.String() != endpoint.DefaultPorts || parsed.String() != endpoint.DefaultPorts {
		t.Errorf("String: zero %q, parsed %q", zero, parsed)
	}
	if few := ports(t, " 443 , 9000-9001 "); !few.Has(443) || !few.Has(9001) || few.Has(9002) || few.Has(8443) {
		t.Errorf("wrong ports in %q", few)
	}
}

func TestParsePortsRefuses(t *testing.T) {
	t.Parallel()
	for _, setting := range []string{"", ",", "443,", "0", "65536", "x", "-1", "2-1", "1-", "1-2-3", "443;8443"} {
		if set, err := endpoint.ParsePorts(setting); err == nil {
			t.Errorf("ParsePorts(%q) = %q", setting, set)
		}
	}
}

func TestPortSetAsText(t *testing.T) {
	t.Parallel()
	var set endpoint.PortSet
	if err := set.UnmarshalText([]byte("443,1024-2000")); err != nil {
		t.Fatal(err)
	}
	if text, err := set.MarshalText(); err != nil || string(text) != "443,1024-2000" {
		t.Fatalf("MarshalText = %q, %v", text, err)
	}
	if err := set.UnmarshalText([]byte("nothing")); err == nil {
		t.Fatal("UnmarshalText takes anything")
	}
}
