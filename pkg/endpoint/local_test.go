package endpoint_test

import (
	"encoding/csv"
	"os"
	"strings"
	"testing"

	"golang.org/x/net/publicsuffix"

	"github.com/dialnote/webhooks/pkg/endpoint"
	"github.com/dialnote/webhooks/pkg/fault"
)

// localNames are known in a local network, or nowhere at all.
var localNames = []string{
	"x.invalid", "x.test", "a.b.test", "x.localhost", "x.local", "x.onion", "x.alt", "router.home.arpa", "1.0.0.10.in-addr.arpa", "ipv4only.arpa",
	"x.internal", "metadata.google.internal", "ip-10-0-0-1.ec2.internal", "host.docker.internal", "x.corp", "x.home", "x.mail", "x.intranet", "x.private", "nas.lan",
	"x.localdomain", "x.localnet", "x.domain", "x.workgroup", "x.dhcp", "x.gateway", "x.router", "x.belkin", "x.dlink", "x.intra", "x.intern", "x.priv", "x.loc", "x.lokal", "x.server", "x.nas", "localhost4.localdomain4", "localhost6.localdomain6", "nas.fritz.box", "fritz.box",
	"vault.service.consul", "db.node.dc1.consul", "x.nomad", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "kubernetes.default", "dns.kube-system",
	"api.prod.svc", "10-0-0-1.default.pod", "x.k8s", "x.kube", "x.swarm", "x.cluster", "x.docker", "x.podman", "x.lxd", "x.incus", "vm.openstacklocal", "vm.novalocal", "x.mesos", "x.marathon", "x.vagrant",
	"x.i2p", "x.bit", "x.gnu", "x.zkey",
	"localhost", "intranet", "n8n", "com", "consul", "invalid", "svc", "my_host",
}

func TestLocalNamesAreRefused(t *testing.T) {
	t.Parallel()
	const says = "The URL's host is only known in a local network. Use a public host name."
	for _, name := range localNames {
		for _, raw := range []string{"https://" + name + "/", "https://" + strings.ToUpper(name) + ":8443/a?b", "https://" + name} {
			err := endpoint.Policy{}.Check(raw)
			if err == nil || len(fault.Of(err).Fields) != 1 || fault.Of(err).Fields[0].Detail != says {
				t.Errorf("Check(%q) = %v", raw, err)
			}
			if err := (endpoint.Policy{AllowPrivate: true}).Check(raw); err != nil {
				t.Errorf("AllowPrivate: Check(%q) = %v", raw, err)
			}
		}
		// A dot at the end, or another spelling of letters, is refused too.
		for _, raw := range []string{"https://" + name + "./", "https://" + strings.ReplaceAll(name, ".", "。") + "。/", "https://" + fullWidth(name) + "/"} {
			if err := (endpoint.Policy{}).Check(raw); err == nil {
				t.Errorf("Check(%q) accepts", raw)
			}
		}
	}
}

// fullWidth returns a name with letters that IDNA maps to ASCII's.
func fullWidth(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r - 'a' + 'ａ'
		}
		return r
	}, name)
}

// Names that look like the local ones, and are public or may be.
func TestPublicNamesAreNotTakenForLocal(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"example.com", "example.net", "example.org", "hooks.example", "crm.acme.example",
		"local.example.com", "x.internal.example.com", "svc.example.com", "consul.io", "a.consul.io", "test.de", "invalid.org", "home.pl", "corp.com", "lan.io", "onion.ly",
		"x.localhost.com", "mylocal.org", "notlocal.net",
		"x.host", "x.domains", "x.network", "x.site", "x.dev", "x.prod", "x.app", "x.box", "notfritz.box", "x.zip", "x.cloud", "x.email", "x.services", "x.office", "x.center", "x.link", "x.ad", "x.global",
		"x.homes", "x.locker", "x.loans", "x.international", "x.xn--p1ai", "bücher.example", "x.recht", "x.newtld", // may be delegated tomorrow
	} {
		if err := (endpoint.Policy{}).Check("https://" + name + "/"); err != nil {
			t.Errorf("Check(%q) = %v", name, err)
		}
	}
}

// Each row of IANA's registry is refused with every name below it, but for the
// names for documents.
func TestSpecialUseNames(t *testing.T) {
	t.Parallel()
	file, err := os.Open("testdata/iana-special-use-domain-names.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	reader := csv.NewReader(file)
	reader.Comment = '#'
	rows, err := reader.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) < 40 {
		t.Fatalf("only %d rows", len(rows))
	}
	forDocuments := map[string]bool{"example": true, "example.com": true, "example.net": true, "example.org": true}
	for _, row := range rows {
		for _, name := range []string{"a." + row[0], "a.b." + row[0]} {
			if err := (endpoint.Policy{}).Check("https://" + name + "/"); (err == nil) != forDocuments[row[0]] {
				t.Errorf("Check(%q) = %v (%s)", name, err, row[1])
			}
		}
	}
}

// No last label of the list is a top-level domain of the Internet, but for arpa,
// which is delegated for infrastructure, .onion, which is a public suffix by RFC
// 7686, and .box, of which one domain is refused.
func TestLocalNamesAreNotDelegated(t *testing.T) {
	t.Parallel()
	for _, name := range localNames {
		top := name[strings.LastIndexByte(name, '.')+1:]
		if !strings.Contains(name, ".") || top == "arpa" || top == "onion" || top == "box" {
			continue
		}
		if _, delegated := publicsuffix.PublicSuffix("x." + top); delegated {
			t.Errorf(".%s is a public top-level domain", top)
		}
	}
}
