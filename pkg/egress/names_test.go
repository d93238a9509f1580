package egress

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
)

// told is what a name server says of one family, and after what time.
type told struct {
	after time.Duration
	addrs []string
	err   error
}

func TestResolve(t *testing.T) {
	t.Parallel()
	const never = time.Hour
	const host = "hooks.example.com"
	none := &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	broken := &net.DNSError{Err: "server misbehaving", Name: host, IsTemporary: true}
	onlyMapped := &net.AddrError{Err: "no suitable address found", Addr: host}
	v4, v6 := []string{"93.184.215.14", "93.184.215.15"}, []string{"2606:4700::1111"}
	both := append(append([]string(nil), v6...), v4...)
	ms := time.Millisecond
	for name, tt := range map[string]struct {
		ip4, ip6 told
		want     []string
		took     time.Duration
		later    []string // of the channel; nil without one
		err      error
		reason   delivery.Reason
	}{
		"both at once":                      {ip4: told{2 * ms, v4, nil}, ip6: told{ms, v6, nil}, want: both, took: 2 * ms},
		"IPv6 within the delay":             {ip4: told{ms, v4, nil}, ip6: told{50 * ms, v6, nil}, want: append(append([]string(nil), v4...), v6...), took: 50 * ms},
		"IPv6 after the delay":              {ip4: told{ms, v4, nil}, ip6: told{time.Second, v6, nil}, want: v4, took: 51 * ms, later: v6},
		"IPv6 never":                        {ip4: told{ms, v4, nil}, ip6: told{after: never}, want: v4, took: 51 * ms, later: []string{}},
		"IPv4 never":                        {ip4: told{after: never}, ip6: told{ms, v6, nil}, want: v6, took: 51 * ms, later: []string{}},
		"IPv4 alone":                        {ip4: told{ms, v4, nil}, ip6: told{ms, nil, none}, want: v4, took: ms},
		"IPv4 alone, an empty answer":       {ip4: told{ms, v4, nil}, ip6: told{2 * ms, nil, nil}, want: v4, took: 2 * ms},
		"IPv6 alone":                        {ip4: told{ms, nil, none}, ip6: told{2 * time.Second, v6, nil}, want: v6, took: 2 * time.Second},
		"IPv6 fails":                        {ip4: told{20 * ms, v4, nil}, ip6: told{ms, nil, broken}, want: v4, took: 20 * ms},
		"IPv6 fails after the delay":        {ip4: told{ms, v4, nil}, ip6: told{time.Second, nil, broken}, want: v4, took: 51 * ms, later: []string{}},
		"neither is there":                  {ip4: told{ms, nil, none}, ip6: told{2 * ms, nil, none}, took: 2 * ms, err: none, reason: delivery.ReasonDNS},
		"neither has any":                   {took: 0, reason: delivery.ReasonDNS},
		"IPv4 is not there, IPv6 fails":     {ip4: told{ms, nil, none}, ip6: told{2 * ms, nil, broken}, took: 2 * ms, err: broken, reason: delivery.ReasonDNS},
		"IPv6 is not there, IPv4 fails":     {ip4: told{2 * ms, nil, broken}, ip6: told{ms, nil, none}, took: 2 * ms, err: broken, reason: delivery.ReasonDNS},
		"both fail":                         {ip4: told{ms, nil, broken}, ip6: told{ms, nil, broken}, took: ms, err: broken, reason: delivery.ReasonDNS},
		"IPv4 is not there, IPv6 is silent": {ip4: told{ms, nil, none}, ip6: told{after: never}, took: 30 * time.Second, err: context.DeadlineExceeded, reason: delivery.ReasonTimeout},
		"both are silent":                   {ip4: told{after: never}, ip6: told{after: never}, took: 30 * time.Second, err: context.DeadlineExceeded, reason: delivery.ReasonTimeout},
		"nothing but IPv4 written as IPv6":  {ip4: told{ms, nil, none}, ip6: told{ms, nil, onlyMapped}, took: ms, reason: delivery.ReasonBlockedAddress},
		"IPv4 from a file of hosts":         {ip4: told{0, v4, nil}, ip6: told{0, nil, onlyMapped}, want: v4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := newNames(nil, true)
				n.lookup = func(ctx context.Context, network, _ string) ([]netip.Addr, error) {
					says := map[string]told{"ip4": tt.ip4, "ip6": tt.ip6}[network]
					select {
					case <-time.After(says.after):
						return parsed(says.addrs), says.err
					case <-ctx.Done():
						return nil, ctx.Err()
					}
				}
				ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
				defer stop()
				start := time.Now()
				got, later, err := n.resolve(ctx, host)
				if took := time.Since(start); took != tt.took {
					t.Errorf("it took %s, want %s", took, tt.took)
				}
				if tt.reason != "" {
					stage := resolving
					if blocked(err) {
						stage = guarding
					}
					reason, _ := explain(&dialError{stage: stage, err: err}, circumstances{host: host})
					if reason != tt.reason || tt.err != nil && !errors.Is(err, tt.err) {
						t.Errorf("resolve: %s, %v, want %s, %v", reason, err, tt.reason, tt.err)
					}
					return
				}
				if err != nil || !reflect.DeepEqual(got, parsed(tt.want)) {
					t.Errorf("resolve = %v, %v, want %v", got, err, tt.want)
				}
				if (later != nil) != (tt.later != nil) {
					t.Fatalf("more addresses may come: %t", later != nil)
				}
				if later != nil {
					if more := <-later; !reflect.DeepEqual(more.addrs, parsed(tt.later)) || (more.err == nil) != (len(tt.later) > 0) {
						t.Errorf("later %v, %v, want %v", more.addrs, more.err, tt.later)
					}
				}
			})
		})
	}
}

func parsed(addrs []string) (all []netip.Addr) {
	for _, a := range addrs {
		all = append(all, netip.MustParseAddr(a))
	}
	return all
}

// The rest of a lookup ends when nothing waits for it any more.
func TestALookupThatIsNotWaitedForEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDialer(Config{}, nil)
		ended := make(chan struct{})
		d.names.lookup = func(ctx context.Context, network, _ string) ([]netip.Addr, error) {
			if network == "ip4" {
				return parsed([]string{"93.184.215.14"}), nil
			}
			<-ctx.Done()
			close(ended)
			return nil, ctx.Err()
		}
		d.connect = func(context.Context, netip.AddrPort) (net.Conn, error) { return &stream{Conn: &closing{}}, nil }
		if _, err := d.open(t.Context(), "hooks.example.com:443"); err != nil {
			t.Fatal(err)
		}
		<-ended
	})
}

func TestOrderOfFamilies(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		found   []string
		reaches bool
		want    []string
	}{
		"IPv6 is reached":     {[]string{"1.1.1.1", "1.1.1.2", "2606:4700::1"}, true, []string{"2606:4700::1", "1.1.1.1", "1.1.1.2"}},
		"IPv6 is not reached": {[]string{"2606:4700::1", "2606:4700::2", "1.1.1.1"}, false, []string{"1.1.1.1", "2606:4700::1", "2606:4700::2"}},
		"IPv6 alone":          {[]string{"2606:4700::1", "2606:4700::2"}, false, []string{"2606:4700::1", "2606:4700::2"}},
		"IPv4 alone":          {[]string{"1.1.1.2", "1.1.1.1"}, true, []string{"1.1.1.2", "1.1.1.1"}},
	} {
		d := newDialer(Config{}, nil)
		d.reaches = func(context.Context, netip.AddrPort) bool { return tt.reaches }
		if got, err := d.targets(t.Context(), parsed(tt.found), 443); err != nil || !reflect.DeepEqual(got, targets(tt.want...)) {
			t.Errorf("%s: %v, %v, want %v", name, got, err, tt.want)
		}
	}
	if !reachesIPv6(t.Context(), netip.MustParseAddrPort("[::1]:443")) {
		t.Error("this machine does not reach its own IPv6 address")
	}
}
