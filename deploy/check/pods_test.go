package check_test

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/dialnote/webhooks/pkg/config"
)

// pods returns the pods of an object: a template that it makes them of.
func pods(o object) (template object, found bool) {
	t, ok := o.at("spec", "template").(map[string]any)
	return t, ok && (o.kind() == "Deployment" || o.kind() == "Job")
}

func list(v any) []object {
	items, _ := v.([]any)
	objects := make([]object, 0, len(items))
	for _, i := range items {
		o, _ := i.(map[string]any)
		objects = append(objects, o)
	}
	return objects
}

// rendered is a pod of the chart with some values, and its one container.
type rendered struct {
	name, kind     string
	pod, container object
}

func eachPod(t *testing.T) (all []rendered) {
	t.Helper()
	for _, file := range valueFiles(t) {
		for _, o := range mustRender(t, file) {
			if pod, is := pods(o); is {
				all = append(all, rendered{filepath.Base(file) + ": " + o.name(), o.kind(), pod, list(pod.at("spec", "containers"))[0]})
			}
		}
	}
	return all
}

// A cluster may have CAs of its own for Postgres and for receivers, and choose the user
// that pods run as.
func TestPodsWithTheClustersOwnAuthoritiesAndUsers(t *testing.T) {
	t.Parallel()
	objects, err := render(t, map[string]any{
		"database":      map[string]any{"caSecret": map[string]any{"name": "postgres-tls", "key": "ca.crt"}},
		"extraCASecret": map[string]any{"name": "roots", "key": "roots.pem"},
		"userId":        0,
	})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, o := range objects {
		pod, is := pods(o)
		if !is {
			continue
		}
		n++
		if pod.at("spec", "securityContext", "runAsUser") != nil || pod.at("spec", "securityContext", "runAsNonRoot") != true {
			t.Errorf("%s runs as %v", o.name(), pod.at("spec", "securityContext"))
		}
		c := list(pod.at("spec", "containers"))[0]
		env, mounts, volumes := map[string]string{}, map[string]string{}, map[string]string{}
		for _, e := range list(c.at("env")) {
			env[e.text("name")] = e.text("value")
		}
		for _, m := range list(c.at("volumeMounts")) {
			mounts[m.text("mountPath")] = m.text("name")
		}
		for _, v := range list(pod.at("spec", "volumes")) {
			volumes[v.text("name")] = v.text("secret", "secretName")
		}
		if env["PGSSLROOTCERT"] != "/run/secrets/database-ca/ca.crt" || volumes[mounts["/run/secrets/database-ca"]] != "postgres-tls" {
			t.Errorf("%s does not have the authority of Postgres: %v, %v, %v", o.name(), env, mounts, volumes)
		}
		if o.kind() == "Deployment" && (env["DIALNOTE_EXTRA_CA_FILE"] != "/run/secrets/extra-ca/roots.pem" || volumes[mounts["/run/secrets/extra-ca"]] != "roots") {
			t.Errorf("%s does not have the further roots: %v, %v, %v", o.name(), env, mounts, volumes)
		}
	}
	if n != 3 {
		t.Errorf("%d pods", n)
	}
}

func TestPodsHaveNoRights(t *testing.T) {
	t.Parallel()
	for _, p := range eachPod(t) {
		pod, c := p.pod, p.container
		for _, check := range []struct {
			got, want any
			what      string
		}{
			{pod.at("spec", "securityContext", "runAsNonRoot"), true, "runAsNonRoot"},
			{pod.text("spec", "securityContext", "seccompProfile", "type"), "RuntimeDefault", "seccompProfile"},
			{pod.at("spec", "automountServiceAccountToken"), false, "automountServiceAccountToken"},
			{c.at("securityContext", "readOnlyRootFilesystem"), true, "readOnlyRootFilesystem"},
			{c.at("securityContext", "allowPrivilegeEscalation"), false, "allowPrivilegeEscalation"},
			{fmt.Sprint(c.at("securityContext", "capabilities", "drop")), "[ALL]", "capabilities"},
		} {
			if !reflect.DeepEqual(check.got, check.want) {
				t.Errorf("%s: %s is %v", p.name, check.what, check.got)
			}
		}
		for _, path := range [][]string{{"resources", "requests", "cpu"}, {"resources", "requests", "memory"}, {"resources", "limits", "memory"}} {
			if _, err := resource.ParseQuantity(c.text(path...)); err != nil {
				t.Errorf("%s: %v is %q", p.name, path, c.text(path...))
			}
		}
		if image := c.text("image"); !strings.Contains(image, ":0.1.0") {
			t.Errorf("%s: the image is %s", p.name, image)
		}
	}
}

// Every variable is a setting, secrets come from secrets, and the service would
// start with what it is given.
func TestPodsGetSettingsThatExist(t *testing.T) {
	t.Parallel()
	known := settings()
	secret := map[string]bool{}
	for f := range reflect.TypeFor[config.Settings]().Fields() {
		if f.Tag.Get("print") == "secret" {
			secret[config.Prefix+f.Tag.Get("env")] = true
		}
	}
	secret[config.Prefix+"DATABASE_URL"] = true
	for _, p := range eachPod(t) {
		c := p.container
		environ := map[string]string{}
		for _, e := range list(c.at("env")) {
			name := e.text("name")
			_, literal := e["value"]
			if strings.HasPrefix(name, config.Prefix) {
				if !known[name] {
					t.Errorf("%s: %s is no setting", p.name, name)
				}
				if _, twice := environ[name]; twice {
					t.Errorf("%s: %s is set twice", p.name, name)
				}
				if literal == secret[name] {
					t.Errorf("%s: %s, a secret: %t, is written out: %t", p.name, name, secret[name], literal)
				}
				environ[name] = e.text("value")
				if !literal {
					environ[name] = "from-a-secret"
				}
			}
		}
		needs := []string{"DATABASE_URL"}
		if p.kind == "Deployment" {
			needs = append(needs, "NATS_URL", "ENCRYPTION_KEYS")
		}
		loaded, err := config.Load(environ, needs...)
		if err != nil {
			t.Errorf("%s: %v", p.name, err)
		}
		if p.kind == "Deployment" && (loaded.APITokensFile != "") != strings.Contains(p.name, "config-api") {
			t.Errorf("%s has the tokens at %q", p.name, loaded.APITokensFile)
		}
	}
}

func TestServicesAreProbedAndStoppedInTime(t *testing.T) {
	t.Parallel()
	for _, p := range eachPod(t) {
		pod, c := p.pod, p.container
		if p.kind != "Deployment" {
			continue
		}
		for probe, path := range map[string]string{"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"} {
			if c.text(probe, "httpGet", "path") != path || c.text(probe, "httpGet", "port") != "ops" {
				t.Errorf("%s: %s asks %v", p.name, probe, c.at(probe))
			}
		}
		if grace, _ := pod.at("spec", "terminationGracePeriodSeconds").(float64); grace < 40 {
			t.Errorf("%s is killed %v seconds after it was asked to stop", p.name, grace)
		}
		if spread := list(pod.at("spec", "topologySpreadConstraints")); len(spread) != 2 {
			t.Errorf("%s is spread %v", p.name, spread)
		}
		for _, e := range list(c.at("env")) {
			if e.text("name") != "GOMEMLIMIT" {
				continue
			}
			limit, err := resource.ParseQuantity(strings.TrimSuffix(e.text("value"), "B"))
			most := resource.MustParse(c.text("resources", "limits", "memory"))
			if err != nil || limit.Cmp(most) >= 0 || limit.AsApproximateFloat64() < 0.8*most.AsApproximateFloat64() {
				t.Errorf("%s: GOMEMLIMIT is %s, and the limit %s (%v)", p.name, e.text("value"), most.String(), err)
			}
		}
	}
}

// Whatever selects pods selects some.
func TestSelectorsMatch(t *testing.T) {
	t.Parallel()
	for _, file := range valueFiles(t) {
		objects := mustRender(t, file)
		for _, o := range objects {
			var path []string
			among := func(o object) any {
				if pod, is := pods(o); is {
					return pod.at("metadata", "labels")
				}
				return nil
			}
			switch o.kind() {
			case "Service":
				path = []string{"spec", "selector"}
			case "NetworkPolicy":
				path = []string{"spec", "podSelector", "matchLabels"}
			case "PodDisruptionBudget", "Deployment":
				path = []string{"spec", "selector", "matchLabels"}
			case "ServiceMonitor":
				path = []string{"spec", "selector", "matchLabels"}
				among = func(o object) any {
					if o.kind() == "Service" {
						return o.at("metadata", "labels")
					}
					return nil
				}
			default:
				continue
			}
			want, _ := o.at(path...).(map[string]any)
			matched := 0
			for _, other := range objects {
				if has, _ := among(other).(map[string]any); has != nil && matches(want, has) {
					matched++
				}
			}
			if len(want) < 3 || matched != 1 {
				t.Errorf("%s: %s %s selects %d by %v", filepath.Base(file), o.kind(), o.name(), matched, want)
			}
		}
	}
}

func matches(want, has map[string]any) bool {
	for k, v := range want {
		if has[k] != v {
			return false
		}
	}
	return true
}

// A dispatcher reaches the internet and nothing inside but what is named.
func TestDispatcherReachesNoClusterRange(t *testing.T) {
	t.Parallel()
	for file, inside := range map[string][]string{
		"default":    {"10.96.0.1", "10.244.3.7", "172.20.0.10", "192.168.1.1", "169.254.169.254", "100.64.0.1", "127.0.0.1", "fd00::1", "fe80::1", "::1", "::ffff:10.0.0.1"},
		"everything": {"10.96.0.1", "203.0.113.9", "2001:db8::7"},
	} {
		policy := one(t, mustRender(t, "testdata/values/"+file+".yaml"), "NetworkPolicy", "dialnote-webhooks-dispatcher")
		outside := false
		for _, rule := range list(policy.at("spec", "egress")) {
			peers := list(rule.at("to"))
			if len(peers) == 0 {
				t.Errorf("%s: a rule goes everywhere: %v", file, rule)
			}
			for _, peer := range peers {
				cidr := peer.text("ipBlock", "cidr")
				if cidr == "" {
					continue
				}
				outside = true
				for _, address := range inside {
					if allowed(t, peer, netip.MustParseAddr(address)) {
						t.Errorf("%s: %s is reached", file, address)
					}
				}
				for _, port := range list(rule.at("ports")) {
					if n, _ := port.at("port").(float64); n != 443 && n != 8443 && n < 1024 {
						t.Errorf("%s: port %v is reached", file, n)
					}
				}
			}
		}
		if !outside {
			t.Errorf("%s: the internet is not reached", file)
		}
	}
}

// allowed reports whether an ipBlock lets an address through.
func allowed(t *testing.T, peer object, address netip.Addr) bool {
	t.Helper()
	contains := func(cidr string) bool {
		prefix, err := netip.ParsePrefix(cidr)
		if err != nil {
			t.Fatal(err)
		}
		return prefix.Addr().Is4() == address.Is4() && (prefix.Contains(address) || prefix.Bits() == 0)
	}
	if !contains(peer.text("ipBlock", "cidr")) {
		return false
	}
	excepted, _ := peer.at("ipBlock", "except").([]any)
	for _, e := range excepted {
		// netip takes ::ffff:0:0/96 for a range of IPv4 that it is not.
		if e == "::ffff:0:0/96" && address.Is4In6() || contains(fmt.Sprint(e)) {
			return false
		}
	}
	return true
}
