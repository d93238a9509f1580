package endpoint_test

import (
	"strings"
	"testing"

	"github.com/dialnote/webhooks/pkg/endpoint"
	"github.com/dialnote/webhooks/pkg/fault"
)

func ports(tb testing.TB, setting string) endpoint.PortSet {
	tb.Helper()
	set, err := endpoint.ParsePorts(setting)
	if err != nil {
		tb.Fatal(err)
	}
	return set
}

func TestCheckAccepts(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		"https://hooks.zapier.com/hooks/catch/123456/abcdef/",
		"https://hook.eu2.make.com/abc123def456",
		"https://acme.app.n8n.cloud/webhook/0b1e4a52-7f62-4f57-9b0a-6a2f3a1f0c11",
		"https://n8n.acme.example:5678/webhook-test/x?y=%20z&a[]=1",
		"HTTPS://Example.COM/Path",
		"https://example.com",
		"https://example.com:443/",
		"https://example.com:8443/",
		"https://example.com:1024/",
		"https://example.com:65535/",
		"https://my_host.example.com/",
		"https://bücher.example/",
		"https://BÜCHER.example/",
		"https://xn--bcher-kva.example/",
		"https://例え.テスト/",
		"https://r3---sn-abc.example.com/",
		"https://93.184.215.14/",
		"https://[2606:4700::1111]:8443/x",
		"https://127.0.0.1.nip.io/", // its address is judged when it is known
		"https://1.2.3.4.example.com/",
		"https://localhost.example.com/",
		"https://example.com/a@b:c/%23?q=@",
		"https://example.com/" + strings.Repeat("a", endpoint.MaxURLBytes-len("https://example.com/")),
	} {
		if err := (endpoint.Policy{}).Check(raw); err != nil {
			t.Errorf("Check(%q) = %v", raw, err)
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	for says, urls := range map[string][]string{
		"Enter the URL":          {""},
		"longer than 2,048":      {"https://example.com/" + strings.Repeat("a", endpoint.MaxURLBytes+1-len("https://example.com/"))},
		"not valid UTF-8":        {"https://example.com/\xff"},
		"start with https://":    {"http://example.com/", "ftp://example.com", "example.com", "//example.com/", "https:example.com", "https:/example.com", "javascript:alert(1)", "/x", "x://https://y"},
		"space or a line break":  {" https://example.com/", "https://example.com/ ", "https://example.com/a b", "https://exa\nmple.com/", "https://example.com/\r\nX: y", "https://example.com/\u00a0", "https://example.com/\u2028"},
		"invisible character":    {"https://example.com/\x00", "https://example.com/\x7f", "https://exam\u00adple.com/", "https://\ufeffexample.com/", "https://example.com/\u202e", "https://example\u200b.com/"},
		"backslash":              {`https://example.com\@127.0.0.1/`, `https:\\example.com`},
		"fragment":               {"https://example.com/#", "https://example.com/#x", "https://example.com#@127.0.0.1/"},
		"no host name":           {"https://", "https:///path", "https://?q"},
		"user name or password":  {"https://user@example.com/", "https://user:pw@example.com/", "https://@example.com/", "https://example.com@127.0.0.1/", "https://:@example.com/"},
		"must not contain a %":   {"https://exa%6dple.com/", "https://%31%32%37.0.0.1/", "https://[fe80::1%25eth0]/", "https://[fe80::1%eth0]/", "https://%E4%BE%8B.com/"},
		"two hexadecimal digits": {"https://example.com/%zz", "https://example.com/100%"},
		"cannot be understood":   {"https://example.com:x/", "https://example.com:443:443/", "https://[::1/", "https://[127.0.0.1]/", "https://[v1.a]/", "https://a[::1]/", "https://:443/", "https://2001:db8::1/", "https://[]/"},
		"number from 1 to 65535": {"https://example.com:0/", "https://example.com:65536/", "https://example.com:99999999999999999999/"},
		"port is not allowed":    {"https://example.com:80/", "https://example.com:22/", "https://example.com:1023/", "https://example.com:444/", "https://example.com:0080/"},
		"end with a dot":         {"https://example.com./", "https://127.0.0.1./", "https://localhost./", "https://./"},
		"longer than 253":        {"https://" + strings.Repeat("abcdefgh.", 28) + "ab/"},
		"host name is not valid": {"https://-a.example.com/", "https://a-.example.com/", "https://a..b/", "https://.example.com/", "https://" + strings.Repeat("a", 64) + ".com/", "https://a,b.com/", "https://a!b.com/", "https://$host.com/", "https://*.example.com/", "https://exa<mple.com/"},
		"unusual form": {
			"https://127.1/", "https://127.0.1/", "https://2130706433/", "https://0x7f000001/", "https://0x7f.1/", "https://0X7F.1/",
			"https://0177.0.0.1/", "https://0177.1/", "https://017700000001/", "https://127.0.0.01/", "https://256.0.0.1/", "https://1.2.3.4.5/",
			"https://a.b.1/", "https://example.0x/", "https://0/", "https://0x/",
		},
		"stand for others": {
			"https://１２７.0.0.1/", "https://①②⑦.⓪.⓪.①/", "https://127。0。0。1/", "https://127．0．0．1/", "https://ｌocalhost/",
			"https://xn--/", "https://ﬁ.example/", "https://ⓔxample.com/", "https://𝟏𝟐𝟕.0.0.1/", "https://¹27.0.0.1/",
		},
		"international domain name": {"https://xn--a.example/", "https://examplе℀.com/", "https://xn--999999999.example/", "https://xn--ls8h_.example/"},
		"private or reserved": {
			"https://127.0.0.1/", "https://10.0.0.1/", "https://169.254.169.254/latest/meta-data/", "https://168.63.129.16/", "https://0.0.0.0/",
			"https://255.255.255.255/", "https://[::1]/", "https://[::]/", "https://[fd00:ec2::254]/", "https://[fe80::1]/", "https://[::7f00:1]/",
			"https://[64:ff9b::7f00:1]/", "https://[64:ff9b::808:808]/", "https://[2002:7f00:1::]/", "https://[2001:0:7f00:1::]/", "https://[::ffff:0:7f00:1]/",
			"https://[2a00:1450::5efe:7f00:1]/", "https://[ff02::1]/",
		},
		"IPv4 address written as IPv6": {"https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/", "https://[::ffff:8.8.8.8]/", "https://[0:0:0:0:0:ffff:127.0.0.1]/"},
		"only known in a local network": {
			"https://localhost/", "https://LOCALHOST:8443/", "https://a.localhost/", "https://printer.local/", "https://metadata.google.internal/",
			"https://intranet/", "https://router.home.arpa/", "https://x.test/", "https://nas.lan/", "https://x.corp/", "https://x.localdomain/", "https://x.onion/",
		},
	} {
		for _, raw := range urls {
			err := endpoint.Policy{}.Check(raw)
			if err == nil {
				t.Errorf("Check(%q) accepts", raw)
				continue
			}
			f := fault.Of(err)
			if f.Kind != fault.Invalid || len(f.Fields) != 1 || f.Fields[0].Pointer != "/url" || !strings.Contains(f.Fields[0].Detail, says) {
				t.Errorf("Check(%q) = %v, want a refusal that says %q", raw, err, says)
			}
		}
	}
}

func TestOperatorsChoices(t *testing.T) {
	t.Parallel()
	http, private := endpoint.Policy{AllowHTTP: true}, endpoint.Policy{AllowPrivate: true}
	both := endpoint.Policy{AllowHTTP: true, AllowPrivate: true}
	only8443 := endpoint.Policy{Ports: ports(t, "8443")}
	for _, tt := range []struct {
		policy endpoint.Policy
		raw    string
		ok     bool
	}{
		{http, "http://example.com/", true},
		{http, "http://example.com:80/", true},
		{http, "http://example.com:8080/", true},
		{http, "http://example.com:443/", true},
		{http, "http://example.com:22/", false},
		{http, "https://example.com:80/", false},
		{http, "http://127.0.0.1:8080/", false},
		{http, "ftp://example.com/", false},
		{private, "https://127.0.0.1:9000/", true},
		{private, "https://[::1]:9000/", true},
		{private, "https://n8n/", true},
		{private, "https://n8n.internal/", true},
		{private, "http://n8n/", false},
		{private, "https://127.1/", false},
		{private, "https://[::ffff:127.0.0.1]/", false},
		{private, "https://169.254.169.254/", false},
		{private, "https://[fe80::1%25eth0]/", false},
		{both, "http://localhost:5678/webhook/x", true},
		{both, "http://127.0.0.1:1234/x", true},
		{both, "http://user@127.0.0.1:1234/x", false},
		{only8443, "https://example.com:8443/", true},
		{only8443, "https://example.com/", false},
		{only8443, "https://example.com:9000/", false},
	} {
		if err := tt.policy.Check(tt.raw); (err == nil) != tt.ok {
			t.Errorf("%+v: Check(%q) = %v", tt.policy, tt.raw, err)
		}
	}
}

func TestNormal(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"HTTPS://Example.COM":                  "https://example.com/",
		"https://example.com:443":              "https://example.com/",
		"https://example.com:/x":               "https://example.com/x",
		"https://example.com:08443/x":          "https://example.com:8443/x",
		"http://example.com:80/x":              "http://example.com/x",
		"http://example.com:443/x":             "http://example.com:443/x",
		"https://example.com?a=b":              "https://example.com/?a=b",
		"https://example.com/?":                "https://example.com/?",
		"https://BÜCHER.example/ä?ö=ü":         "https://xn--bcher-kva.example/%C3%A4?%C3%B6=%C3%BC",
		"https://[2606:4700:0:0::1111]:443/":   "https://[2606:4700::1111]/",
		"https://[2606:4700::AB]:8443/":        "https://[2606:4700::ab]:8443/",
		"https://example.com/a%2Fb/%7e/../c":   "https://example.com/a%2Fb/%7e/../c",
		"https://example.com/a|b?c={d}&e[]=%1": "https://example.com/a%7Cb?c=%7Bd%7D&e[]=%1",
		"https://example.com//x":               "https://example.com//x",
	} {
		u, err := endpoint.Normal(raw)
		if err != nil {
			t.Errorf("Normal(%q): %v", raw, err)
			continue
		}
		if u.String() != want {
			t.Errorf("Normal(%q) = %q, want %q", raw, u, want)
		}
	}
}

func BenchmarkTarget(b *testing.B) {
	policy := endpoint.Policy{AllowHTTP: true, AllowPrivate: true}
	for _, raw := range []string{"https://hooks.zapier.com/hooks/catch/123456/abcdef/", "http://127.0.0.1:8080/hook"} {
		b.Run(raw[:12], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := policy.Target(raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
