package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/egress/http1"
	"github.com/dialnote/webhooks/pkg/endpoint"
)

// nameserver answers from a zone on a loopback UDP port. A name has addresses,
// or one alias that begins with "@"; several rows are given one after the
// other, one for each time the name is looked up.
type nameserver struct {
	tb      testing.TB
	conn    net.PacketConn
	zone    map[string][][]string
	mu      sync.Mutex
	lookups map[string]int // of A records: one for each lookup
	strange []string       // questions about names that are not in the zone
}

func newNameserver(tb testing.TB, zone map[string][][]string) *nameserver {
	tb.Helper()
	conn, err := new(net.ListenConfig).ListenPacket(tb.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	ns := &nameserver{tb: tb, conn: conn, zone: zone, lookups: map[string]int{}}
	go ns.run()
	return ns
}

// count returns how many times a name was looked up.
func (ns *nameserver) count(name string) int {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	return ns.lookups[name]
}

func (ns *nameserver) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", ns.conn.LocalAddr().String())
	}}
}

func (ns *nameserver) run() {
	buf := make([]byte, 4096)
	for {
		n, from, err := ns.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		var question dnsmessage.Message
		if err := question.Unpack(buf[:n]); err != nil || len(question.Questions) != 1 {
			ns.tb.Errorf("bad question: %v", err)
			return
		}
		reply := ns.reply(question)
		if reply == nil {
			continue
		}
		packed, err := reply.Pack()
		if err != nil {
			ns.tb.Errorf("pack the answer: %v", err)
			return
		}
		_, _ = ns.conn.WriteTo(packed, from)
	}
}

// has reports whether a name's first label is trouble, or trouble and the type
// of the question: "broken", or "broken-a" and "broken-aaaa". Several are joined
// by "-and-".
func has(name string, asked dnsmessage.Type, trouble string) bool {
	label, _, _ := strings.Cut(name, ".")
	kind := map[dnsmessage.Type]string{dnsmessage.TypeA: "a", dnsmessage.TypeAAAA: "aaaa"}[asked]
	for one := range strings.SplitSeq(label, "-and-") {
		if one == trouble || one == trouble+"-"+kind {
			return true
		}
	}
	return false
}

// reply returns the answer to a question, nil for none.
func (ns *nameserver) reply(m dnsmessage.Message) *dnsmessage.Message {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	q := m.Questions[0]
	name := strings.TrimSuffix(q.Name.String(), ".")
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	rows, known := ns.zone[name]
	switch {
	case has(name, q.Type, "silent"):
		return nil
	case has(name, q.Type, "broken"):
		m.RCode = dnsmessage.RCodeServerFailure
		return &m
	case has(name, q.Type, "empty"):
		return &m
	case !known:
		ns.strange = append(ns.strange, name)
		m.RCode = dnsmessage.RCodeNameError
		return &m
	}
	row := rows[min(ns.lookups[name], len(rows)-1)]
	if q.Type == dnsmessage.TypeA {
		ns.lookups[name]++
	}
	m.Answers = ns.records(q, q.Name, row)
	return &m
}

func (ns *nameserver) records(q dnsmessage.Question, owner dnsmessage.Name, row []string) []dnsmessage.Resource {
	var out []dnsmessage.Resource
	head := dnsmessage.ResourceHeader{Name: owner, Type: q.Type, Class: dnsmessage.ClassINET}
	for _, value := range row {
		if alias, is := strings.CutPrefix(value, "@"); is {
			target := dnsmessage.MustNewName(alias + ".")
			out = append(out, dnsmessage.Resource{Header: head, Body: &dnsmessage.CNAMEResource{CNAME: target}})
			out[len(out)-1].Header.Type = dnsmessage.TypeCNAME
			return append(out, ns.records(q, target, ns.zone[alias][0])...)
		}
		addr := netip.MustParseAddr(value)
		switch {
		case q.Type == dnsmessage.TypeA && addr.Is4():
			out = append(out, dnsmessage.Resource{Header: head, Body: &dnsmessage.AResource{A: addr.As4()}})
		case q.Type == dnsmessage.TypeAAAA && addr.Is6():
			out = append(out, dnsmessage.Resource{Header: head, Body: &dnsmessage.AAAAResource{AAAA: addr.As16()}})
		}
	}
	return out
}

func TestLookupFails(t *testing.T) {
	t.Parallel()
	ns := newNameserver(t, map[string][][]string{"empty.example.com": {{}}})
	c := client(t, func(cfg *Config) { cfg.Resolver, cfg.Policy = ns.resolver(), endpoint.Policy{} })
	for host, message := range map[string]string{
		"nowhere.example.com": "The address could not be found: nowhere.example.com",
		"empty.example.com":   "The address could not be found: empty.example.com",
		"broken.example.com":  "The address could not be looked up: broken.example.com",
	} {
		out := c.Send(t.Context(), post("https://"+host+"/"))
		want(t, out, delivery.ReasonDNS, message)
		if out.Phases.Resolve <= 0 || out.RemoteAddr != "" {
			t.Errorf("%s: phases %+v, address %q", host, out.Phases, out.RemoteAddr)
		}
	}
	ns.mu.Lock()
	defer ns.mu.Unlock()
	for _, name := range ns.strange {
		if name != "nowhere.example.com" {
			t.Errorf("the search list was asked for %s", name)
		}
	}

	c = client(t, func(cfg *Config) {
		cfg.Resolver, cfg.Policy, cfg.Timeout = ns.resolver(), endpoint.Policy{}, short
	})
	want(t, c.Send(t.Context(), post("https://silent.example.com/")), delivery.ReasonTimeout, "No answer within 300ms")
}

// Without descriptors or a network of our own no name can be looked up; that is
// not the endpoints' failure.
func TestNameServerCannotBeAsked(t *testing.T) {
	t.Parallel()
	for _, cause := range []syscall.Errno{syscall.EMFILE, syscall.ENETUNREACH} {
		n := newNames(nil, true)
		n.dial = func(context.Context, string, string) (net.Conn, error) {
			return nil, os.NewSyscallError("socket", cause)
		}
		_, _, err := n.resolve(t.Context(), "hooks.example.com")
		reason, _ := explain(&dialError{stage: resolving, err: err}, circumstances{host: "hooks.example.com"})
		if reason != delivery.ReasonInternal || !errors.Is(err, cause) {
			t.Errorf("%v: reason %s, %v", cause, reason, err)
		}
	}
}

// One address that is not allowed is enough, and nothing is connected: neither
// to it nor to the others.
func TestBlockedAddresses(t *testing.T) {
	t.Parallel()
	internal4 := listen(t, "tcp", "127.0.0.1:0", answer("HTTP/1.1 200 OK\r\n\r\n"))
	internal6 := listen(t, "tcp", "[::1]:0", answer("HTTP/1.1 200 OK\r\n\r\n"))
	ns := newNameserver(t, map[string][][]string{
		"loopback.example.com":   {{"127.0.0.1"}},
		"loopback6.example.com":  {{"::1"}},
		"private.example.com":    {{"10.0.0.1"}},
		"metadata.example.com":   {{"169.254.169.254"}},
		"azure.example.com":      {{"168.63.129.16"}},
		"mixed.example.com":      {{"93.184.215.14", "127.0.0.1"}},
		"mixed6.example.com":     {{"93.184.215.14", "::1"}},
		"mapped.example.com":     {{"::ffff:127.0.0.1"}},
		"translated.example.com": {{"64:ff9b::7f00:1"}},
		"sixtofour.example.com":  {{"2002:7f00:1::1"}},
		"zero.example.com":       {{"0.0.0.0"}},
		"alias.example.com":      {{"@internal.example.com"}},
		"internal.example.com":   {{"127.0.0.1"}},
	})
	c := client(t, func(cfg *Config) { cfg.Resolver, cfg.Policy = ns.resolver(), endpoint.Policy{} })
	for host := range ns.zone {
		for _, l := range []*listener{internal4, internal6} {
			out := c.Send(t.Context(), post("https://"+host+":"+l.port()+"/"))
			want(t, out, delivery.ReasonBlockedAddress, "Address not allowed: "+host+" does not lead to a public address")
			if out.RemoteAddr != "" || out.Phases.Connect != 0 {
				t.Errorf("%s: connected to %q, phases %+v", host, out.RemoteAddr, out.Phases)
			}
		}
	}
	untouched(t, internal4)
	untouched(t, internal6)
}

// Each connection is judged by the very lookup that it is made from: a name
// that changes its mind between two lookups gains nothing.
func TestRebinding(t *testing.T) {
	t.Parallel()
	internal := listen(t, "tcp", "127.0.0.1:0", answer("HTTP/1.1 200 OK\r\n\r\n"))
	ns := newNameserver(t, map[string][][]string{"rebind.example.com": {{"93.184.215.14"}, {"127.0.0.1"}}})
	d := newDialer(Config{Timeout: DefaultTimeout, Resolver: ns.resolver()}, nil)
	var dialed []netip.AddrPort
	d.connect = func(_ context.Context, to netip.AddrPort) (net.Conn, error) {
		dialed = append(dialed, to)
		return nil, errDialed
	}
	to := http1.Key{Secure: true, Host: net.JoinHostPort("rebind.example.com", internal.port())}
	if _, err := d.dial(t.Context(), to, false); !errors.Is(err, errDialed) {
		t.Fatalf("first: %v", err)
	}
	if len(dialed) != 1 || dialed[0].Addr() != netip.MustParseAddr("93.184.215.14") || ns.count("rebind.example.com") != 1 {
		t.Fatalf("first: %d lookups, dialed %v", ns.count("rebind.example.com"), dialed)
	}
	if _, err := d.dial(t.Context(), to, false); !blocked(err) {
		t.Fatalf("second: %v", err)
	}
	if len(dialed) != 1 {
		t.Fatalf("second: dialed %v", dialed)
	}
	untouched(t, internal)
}

// The socket's own check holds even when what was looked up is not looked at.
func TestGuardAtConnect(t *testing.T) {
	t.Parallel()
	internal := listen(t, "tcp", "127.0.0.1:0", answer("HTTP/1.1 200 OK\r\n\r\n"))
	d := newDialer(Config{Timeout: DefaultTimeout, Resolver: &net.Resolver{}}, nil)
	_, err := d.connect(t.Context(), netip.MustParseAddrPort(internal.Addr().String()))
	if reason, _ := explain(err, circumstances{}); !blocked(err) || reason != delivery.ReasonBlockedAddress {
		t.Fatalf("connect: %v", err)
	}
	untouched(t, internal)
}

func TestBothFamiliesAreTried(t *testing.T) {
	t.Parallel()
	s := listen(t, "tcp4", "127.0.0.1:0", answer("HTTP/1.1 204 No Content\r\n\r\n"))
	ns := newNameserver(t, map[string][][]string{"dual.example.com": {{"::1", "127.0.0.1"}}})
	c := client(t, func(cfg *Config) { cfg.Resolver = ns.resolver() })
	out := c.Send(t.Context(), post("http://dual.example.com:"+s.port()+"/"))
	want(t, out, "", "")
	if out.RemoteAddr != s.Addr().String() || out.Phases.Resolve <= 0 {
		t.Fatalf("address %q, phases %+v", out.RemoteAddr, out.Phases)
	}
}

// The machine's search list is for a private installation only.
func TestNamesAreComplete(t *testing.T) {
	t.Parallel()
	for policy, want := range map[bool]string{true: "hooks.example.com.", false: "hooks.example.com"} {
		asked := make(chan string, 2)
		n := newNames(nil, policy)
		n.lookup = func(_ context.Context, network, host string) ([]netip.Addr, error) {
			asked <- network + " " + host
			return []netip.Addr{netip.MustParseAddr("93.184.215.14")}, nil
		}
		_, _, err := n.resolve(t.Context(), "hooks.example.com")
		if both := []string{<-asked, <-asked}; err != nil || !slices.Contains(both, "ip4 "+want) || !slices.Contains(both, "ip6 "+want) {
			t.Errorf("absolute %t: asked for %q, %v", policy, both, err)
		}
	}
}

// net/http reads the proxy's environment once in a process, so the request is
// made in a new one. The name is not localhost, for which no proxy is taken.
func TestProxyFromTheEnvironmentIsIgnored(t *testing.T) {
	t.Parallel()
	proxy := listen(t, "tcp", "127.0.0.1:0", answer("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"))
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestInChildBehindProxy$", "-test.count=1", "-test.v")
	child.Env = append(os.Environ(), behindProxy+"=1", "NO_PROXY=", "no_proxy=")
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"} {
		child.Env = append(child.Env, name+"=http://"+proxy.Addr().String())
	}
	output, err := child.CombinedOutput()
	if err != nil || !strings.Contains(string(output), "--- PASS: TestInChildBehindProxy") {
		t.Fatalf("%v\n%s", err, output)
	}
	untouched(t, proxy)
}

const behindProxy = "EGRESS_TEST_BEHIND_PROXY"

// TestInChildBehindProxy is the child of TestProxyFromTheEnvironmentIsIgnored.
// By itself it is one more request.
func TestInChildBehindProxy(t *testing.T) {
	t.Parallel()
	if os.Getenv(behindProxy) != "" && os.Getenv("HTTP_PROXY") == "" {
		t.Fatal("the child was given no proxy")
	}
	s := listen(t, "tcp", "127.0.0.1:0", answer("HTTP/1.1 204 No Content\r\n\r\n"))
	ns := newNameserver(t, map[string][][]string{"hooks.example.com": {{"127.0.0.1"}}})
	c := client(t, func(cfg *Config) { cfg.Resolver = ns.resolver() })
	want(t, c.Send(t.Context(), post("http://hooks.example.com:"+s.port()+"/")), "", "")
}

// A name server that answers for one family, and not for the other, costs a
// request nothing but the delay that the families have for each other.
func TestNameServerThatAnswersForOneFamily(t *testing.T) {
	t.Parallel()
	s4 := listen(t, "tcp", "127.0.0.1:0", answer("HTTP/1.1 204 No Content\r\n\r\n"))
	s6 := listen(t, "tcp", "[::1]:0", answer("HTTP/1.1 204 No Content\r\n\r\n"))
	rows := [][]string{{"127.0.0.1", "::1"}}
	ns := newNameserver(t, map[string][][]string{
		"silent-aaaa.example.com": rows, "broken-aaaa.example.com": rows, "empty-aaaa.example.com": rows, "empty-a-and-silent-aaaa.example.com": rows,
		"silent-a.example.com": rows, "broken-a.example.com": rows, "empty-a.example.com": rows, "empty-a-and-broken-aaaa.example.com": rows, "broken-a-and-empty-aaaa.example.com": rows,
	})
	c := client(t, func(cfg *Config) { cfg.Resolver = ns.resolver() })
	for host, s := range map[string]*listener{
		"silent-aaaa": s4, "broken-aaaa": s4, "empty-aaaa": s4,
		"silent-a": s6, "broken-a": s6, "empty-a": s6,
	} {
		out := c.Send(t.Context(), post("http://"+host+".example.com:"+s.port()+"/"))
		want(t, out, "", "")
		if out.RemoteAddr != s.Addr().String() || out.Phases.Resolve <= 0 || out.Phases.Total > 4*time.Second { // Go asks a silent one again after five
			t.Errorf("%s: address %q, phases %+v", host, out.RemoteAddr, out.Phases)
		}
	}
	for host, message := range map[string]string{
		"empty-a-and-broken-aaaa": "The address could not be looked up: empty-a-and-broken-aaaa.example.com",
		"broken-a-and-empty-aaaa": "The address could not be looked up: broken-a-and-empty-aaaa.example.com",
	} {
		want(t, c.Send(t.Context(), post("http://"+host+".example.com/")), delivery.ReasonDNS, message)
	}
	hasty := client(t, func(cfg *Config) { cfg.Resolver, cfg.Timeout = ns.resolver(), short })
	want(t, hasty.Send(t.Context(), post("http://empty-a-and-silent-aaaa.example.com/")), delivery.ReasonTimeout, "No answer within 300ms")
}

// Nine addresses at which nothing listens do not keep the tenth from being tried.
func TestManyAddresses(t *testing.T) {
	t.Parallel()
	s := listen(t, "tcp", "127.0.0.10:0", answer("HTTP/1.1 204 No Content\r\n\r\n"))
	var addrs []string
	for i := range 10 {
		addrs = append(addrs, fmt.Sprintf("127.0.0.%d", i+1))
	}
	ns := newNameserver(t, map[string][][]string{"many.example.com": {addrs}, "dead.example.com": {addrs[:9]}})
	c := client(t, func(cfg *Config) { cfg.Resolver = ns.resolver() })
	out := c.Send(t.Context(), post("http://many.example.com:"+s.port()+"/"))
	want(t, out, "", "")
	if out.RemoteAddr != s.Addr().String() {
		t.Errorf("address %q", out.RemoteAddr)
	}
	want(t, c.Send(t.Context(), post("http://dead.example.com:"+s.port()+"/")), delivery.ReasonConnect, "The server refused the connection: dead.example.com")
}
