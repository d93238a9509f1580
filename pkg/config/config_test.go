package config_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/config"
)

func TestLoadDefaults(t *testing.T) {
	t.Parallel()
	s, err := config.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []time.Duration{10 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour}
	if len(s.RetrySchedule) != len(want) {
		t.Fatalf("schedule is %v, want %v", s.RetrySchedule, want)
	}
	for i := range want {
		if s.RetrySchedule[i] != want[i] {
			t.Errorf("schedule is %v, want %v", s.RetrySchedule, want)
		}
	}
	if s.DeliveryTimeout != 30*time.Second || s.AutoDisableAfter != 3 || s.Retention != 168*time.Hour {
		t.Errorf("defaults are %+v", s)
	}
	if _, always := s.SyncInterval(); !always {
		t.Error("the embedded broker does not sync before it acknowledges by default")
	}
}

func TestLoadReportsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	_, err := config.Load(map[string]string{
		"DIALNOTE_DELIVERY_TIMEOUT": "soon",
		"DIALNOTE_MAX_IN_FLIGHT":    "many",
		"DIALNOTE_LOG_LEVEL":        "loud",
	}, "DATABASE_URL", "NATS_URL")
	bad, ok := errors.AsType[*config.Error](err)
	if !ok {
		t.Fatalf("error is %v, want a *config.Error", err)
	}
	for _, name := range []string{"DELIVERY_TIMEOUT", "MAX_IN_FLIGHT", "LOG_LEVEL", "DATABASE_URL", "NATS_URL"} {
		if !strings.Contains(bad.Error(), "DIALNOTE_"+name) {
			t.Errorf("%s is not named in:\n%v", name, bad)
		}
	}
}

func TestLoadRefusesValuesOutOfRange(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"DELIVERY_TIMEOUT":      "0s",
		"RETRY_SCHEDULE":        "10s,0s",
		"AUTO_DISABLE_AFTER":    "0",
		"MAX_IN_FLIGHT":         "0",
		"WEBHOOK_MAX_IN_FLIGHT": "513",
		"MAX_WEBHOOKS":          "0",
		"RETENTION":             "59m",
		"AUDIT_RETENTION":       "23h",
		"PUBLIC_URL":            "webhooks.example.com",
		"STREAM_REPLICAS":       "2",
		"NATS_SYNC":             "never",
		"LOG_FORMAT":            "xml",
		"RATE_LIMIT":            "-1",
		"RATE_BURST":            "0",
		"ADDRESS_RATE_LIMIT":    "-0.5",
		"TRUSTED_PROXIES":       "10.0.0.1",
		"EMBED_HOSTS":           "app.example.com; script-src *",
		"OUTBOUND_PROXY":        "proxy:3128",
		"NATS_USER":             "api",
		"NATS_PASSWORD":         "hunter2",
		"NATS_CERT_FILE":        "cert.pem",
	} {
		_, err := config.Load(map[string]string{"DIALNOTE_" + name: value})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s=%s: error is %v, want one that names it", name, value, err)
		}
	}
}

func TestOneOfSeveralMustBeSet(t *testing.T) {
	t.Parallel()
	if _, err := config.Load(nil, "API_TOKENS|API_TOKENS_FILE"); err == nil || !strings.Contains(err.Error(), "DIALNOTE_API_TOKENS or DIALNOTE_API_TOKENS_FILE is not set") {
		t.Errorf("error is %v", err)
	}
	for _, name := range []string{"DIALNOTE_API_TOKENS", "DIALNOTE_API_TOKENS_FILE"} {
		if _, err := config.Load(map[string]string{name: "x"}, "API_TOKENS|API_TOKENS_FILE"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPrintedSettingsHoldNoSecret(t *testing.T) {
	t.Parallel()
	s, err := config.Load(map[string]string{
		"DIALNOTE_DATABASE_URL":    "postgres://app:hunter2@db/webhooks?password=hunter2",
		"DIALNOTE_NATS_URL":        "nats://a:hunter2@one:4222,nats://a:hunter2@two:4222",
		"DIALNOTE_API_TOKENS":      "crm:hunter2",
		"DIALNOTE_ENCRYPTION_KEYS": "k1:hunter2",
		"DIALNOTE_NATS_USER":       "api",
		"DIALNOTE_NATS_PASSWORD":   "hunter2",
		"DIALNOTE_OUTBOUND_PROXY":  "http://api:hunter2@proxy:3128",
	})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("start", slog.Any("settings", s))
	if strings.Contains(out.String(), "hunter2") {
		t.Errorf("a secret is printed: %s", out.String())
	}
	if !strings.Contains(out.String(), "one:4222") || !strings.Contains(out.String(), "db") {
		t.Errorf("the hosts are not printed: %s", out.String())
	}
}

// Whatever form a URL with credentials has, nothing of them is printed.
func TestURLsArePrintedWithoutCredentials(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"nats://one:4222":                            "nats://one:4222",
		"nats://hunter2@one:4222":                    "nats://xxxxx@one:4222", // a token
		"nats://hunter1:hunter2@one:4222, tls://two": "nats://xxxxx@one:4222,tls://two",
		"nats://:hunter2@one:4222":                   "nats://xxxxx@one:4222",
		"nats://one:4222,nats://hunter2@two:4222":    "nats://one:4222,nats://xxxxx@two:4222",
		"one:4222":                                     "set",
		"hunter2@one:4222":                             "set",
		"hunter1:hunter2@one:4222":                     "set",
		"nats://user:12#hunter2@one:4222":              "set",
		"nats://user:12/hunter2@one:4222":              "set",
		"nats://user:12?hunter2@one:4222":              "set",
		"nats://user:hunter2%@one:4222":                "set",
		"nats://user:hunter2,x@one:4222":               "set",
		"nats://one:4222?user=hunter1&token=hunter2":   "nats://one:4222",
		"nats://hunter%32@one:4222/":                   "nats://xxxxx@one:4222/",
		"http://hunter1:hunter2@proxy.example.com:312": "http://xxxxx@proxy.example.com:312",
	} {
		for _, name := range []string{"NATS_URL", "OUTBOUND_PROXY", "DATABASE_URL"} {
			var out bytes.Buffer
			s := map[string]config.Settings{"NATS_URL": {NATSURL: given}, "OUTBOUND_PROXY": {OutboundProxy: given}, "DATABASE_URL": {DatabaseURL: given}}[name]
			slog.New(slog.NewTextHandler(&out, nil)).Info("start", slog.Any("s", s))
			if !strings.Contains(out.String(), "s."+name+"="+want+" ") || strings.Contains(out.String(), "hunter") {
				t.Errorf("%s %s is printed as %s", name, given, out.String())
			}
		}
	}
}

func TestOneKindOfNATSCredentials(t *testing.T) {
	t.Parallel()
	for _, environ := range []map[string]string{
		{"DIALNOTE_NATS_USER": "api", "DIALNOTE_NATS_PASSWORD": "x", "DIALNOTE_NATS_CREDS": "api.creds"},
		{"DIALNOTE_NATS_NKEY": "api.nk", "DIALNOTE_NATS_CREDS": "api.creds"},
	} {
		if _, err := config.Load(environ); err == nil || !strings.Contains(err.Error(), "NATS_CREDS") {
			t.Errorf("%v: %v", environ, err)
		}
	}
}

func TestListsOfNetworksAndHosts(t *testing.T) {
	t.Parallel()
	s, err := config.Load(map[string]string{
		"DIALNOTE_TRUSTED_PROXIES": "10.0.0.0/8,fd00::/8",
		"DIALNOTE_EMBED_HOSTS":     "app.example.com,https://*.example.org:8443",
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.TrustedProxies) != 2 || s.TrustedProxies[1].Bits() != 8 || len(s.EmbedHosts) != 2 {
		t.Errorf("got %v, %v", s.TrustedProxies, s.EmbedHosts)
	}
}

// The table in docs/settings.md has every setting, each with its default, and no
// other.
func TestTheDocumentedSettings(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "settings.md"))
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{} // the column of defaults, by name
	name := regexp.MustCompile("`([A-Z_]+)`")
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(line, "|"); len(cells) == 5 {
			for _, found := range name.FindAllStringSubmatch(cells[1], -1) {
				documented[found[1]] = cells[2]
			}
		}
	}
	delete(documented, "DIALNOTE_")
	for field := range reflect.TypeFor[config.Settings]().Fields() {
		variable, value := field.Tag.Get("env"), field.Tag.Get("envDefault")
		column, is := documented[variable]
		if !is || !strings.Contains(column, value) {
			t.Errorf("%s, %q by default, is documented: %t, as %q", variable, value, is, column)
		}
		delete(documented, variable)
	}
	for variable := range documented {
		t.Errorf("%s is documented and not a setting", variable)
	}
}

// A misspelt setting is refused, since what it was meant to set has its default.
func TestMisspeltSettingsAreRefused(t *testing.T) {
	t.Parallel()
	_, err := config.Load(map[string]string{
		"DIALNOTE_RETENTON": "1h", "DIALNOTE_ALLOW_PRIVATE_ENDPOINT": "false", "DIALNOTE_COLOUR": "red", "DIALNOTE_MAX_IN_FLIGHT": "many",
	})
	bad, ok := errors.AsType[*config.Error](err)
	if !ok {
		t.Fatalf("error is %v, want a *config.Error", err)
	}
	for _, want := range []string{
		"DIALNOTE_RETENTON is no setting of this version; is DIALNOTE_RETENTION meant?",
		"DIALNOTE_ALLOW_PRIVATE_ENDPOINT is no setting of this version; is DIALNOTE_ALLOW_PRIVATE_ENDPOINTS meant?",
		"DIALNOTE_COLOUR is no setting of this version", "DIALNOTE_MAX_IN_FLIGHT cannot be read",
	} {
		if !slices.Contains(bad.Problems, want) && !strings.Contains(bad.Error(), want) {
			t.Errorf("%q is not in:\n%v", want, bad)
		}
	}
	if len(bad.Problems) != 4 {
		t.Errorf("%d problems:\n%v", len(bad.Problems), bad)
	}
}

// What others name with our prefix is none of a service's business.
func TestVariablesOfOthersArePassedBy(t *testing.T) {
	t.Parallel()
	_, err := config.Load(map[string]string{
		"DIALNOTE_NATS_CONFIG_API_PASSWORD": "x", "DIALNOTE_NATS_STORE_DIR": "x", "DIALNOTE_SERVICE_TOKEN": "x", "DIALNOTE_API_URL": "x",
		"DIALNOTE_WEBHOOKS_CONFIG_API_SERVICE_HOST": "10.0.0.1", "DIALNOTE_WEBHOOKS_CONFIG_API_SERVICE_PORT_HTTP": "8080",
		"DIALNOTE_WEBHOOKS_PORT": "tcp://10.0.0.1:8080", "DIALNOTE_WEBHOOKS_PORT_8080_TCP_ADDR": "10.0.0.1", "HOME": "/root", "dialnote_retenton": "x",
	})
	if err != nil {
		t.Error(err)
	}
}
