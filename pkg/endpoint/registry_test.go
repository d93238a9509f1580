package endpoint_test

import (
	"encoding/csv"
	"net/netip"
	"os"
	"testing"

	"github.com/dialnote/webhooks/pkg/endpoint"
)

// block is a row of IANA's registries.
type block struct {
	prefix    netip.Prefix
	name, rfc string
}

// registry returns IANA's rows, and the ranges that other registries keep and
// that are refused as well: what follows a special block may be one of them.
func registry(t *testing.T) (rows, others []block) {
	t.Helper()
	file, err := os.Open("testdata/iana-special-purpose.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	reader := csv.NewReader(file)
	reader.Comment = '#'
	records, err := reader.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		rows = append(rows, block{netip.MustParsePrefix(r[0]), r[1], r[2]})
	}
	return rows, []block{
		{netip.MustParsePrefix("224.0.0.0/4"), "Multicast", "RFC 5771"},
		{netip.MustParsePrefix("::/96"), "IPv4-compatible (deprecated)", "RFC 4291"},
		{netip.MustParsePrefix("::ffff:0:0:0/96"), "IPv4-translated", "RFC 2765"},
		{netip.MustParsePrefix("fec0::/10"), "Site-Local (deprecated)", "RFC 3879"},
		{netip.MustParsePrefix("ff00::/8"), "Multicast", "RFC 4291"},
	}
}

// The first and the last address of each row, and those just outside, are of
// the narrowest row that holds them, by name and RFC; of none they are public.
func TestClassifyAgainstTheRegistries(t *testing.T) {
	t.Parallel()
	rows, others := registry(t)
	all := append(rows, others...)
	if len(rows) < 50 {
		t.Fatalf("only %d rows", len(rows))
	}
	for _, row := range all {
		first, last := row.prefix.Addr(), lastOf(row.prefix)
		for _, addr := range []netip.Addr{first.Prev(), first, last, last.Next()} {
			if !addr.IsValid() {
				continue // before the first or after the last there is
			}
			got := endpoint.Classify(addr)
			want, special := narrowest(all, addr)
			switch {
			case special && (got.Public || got.Name != want.name || got.RFC != want.rfc || got.Prefix.Masked() != want.prefix && want.name != "NAT64/DNS64 Discovery"):
				t.Errorf("Classify(%s) = %+v, want %s (%s, %s)", addr, got, want.prefix, want.name, want.rfc)
			case !special && addr.Is6() && !netip.MustParsePrefix("2000::/3").Contains(addr):
				if got.Public || got.RFC != "RFC 4291" {
					t.Errorf("Classify(%s) = %+v, want no global unicast address", addr, got)
				}
			case !special && !got.Public:
				t.Errorf("Classify(%s) = %+v, want public", addr, got)
			}
		}
	}
}

// lastOf returns the last address of a prefix.
func lastOf(p netip.Prefix) netip.Addr {
	bytes := p.Addr().AsSlice()
	for bit := p.Bits(); bit < len(bytes)*8; bit++ {
		bytes[bit/8] |= 0x80 >> (bit % 8)
	}
	addr, _ := netip.AddrFromSlice(bytes)
	return addr
}

func narrowest(blocks []block, addr netip.Addr) (found block, special bool) {
	for _, b := range blocks {
		if b.prefix.Contains(addr) && (!special || b.prefix.Bits() > found.prefix.Bits()) {
			found, special = b, true
		}
	}
	return found, special
}
