// Package config reads the settings of the services from the environment.
//
// Each setting is a variable with the prefix DIALNOTE_. They are read once at
// start; everything that is wrong is reported at once; what is printed of them
// never holds a secret.
package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// Prefix begins the name of every variable.
const Prefix = "DIALNOTE_"

// Settings are the settings of all services. A service reads those it needs.
type Settings struct {
	HTTPAddr    string `env:"HTTP_ADDR" envDefault:":8080"`
	OpsAddr     string `env:"OPS_ADDR"`
	DatabaseURL string `env:"DATABASE_URL" print:"url"`
	NATSURL     string `env:"NATS_URL" print:"url"`
	DataDir     string `env:"DATA_DIR" envDefault:"./data"`

	NATSUser     string `env:"NATS_USER"`
	NATSPassword string `env:"NATS_PASSWORD" print:"secret"`
	NATSCreds    string `env:"NATS_CREDS"`
	NATSNKey     string `env:"NATS_NKEY"`
	NATSCAFile   string `env:"NATS_CA_FILE"`
	NATSCertFile string `env:"NATS_CERT_FILE"`
	NATSKeyFile  string `env:"NATS_KEY_FILE"`

	PublicURL      string `env:"PUBLIC_URL"`
	APITokens      string `env:"API_TOKENS" print:"secret"`
	APITokensFile  string `env:"API_TOKENS_FILE"`
	EncryptionKeys string `env:"ENCRYPTION_KEYS" print:"secret"`

	DrainDelay         time.Duration   `env:"DRAIN_DELAY" envDefault:"3s"`
	DeliveryTimeout    time.Duration   `env:"DELIVERY_TIMEOUT" envDefault:"30s"`
	RetrySchedule      []time.Duration `env:"RETRY_SCHEDULE" envDefault:"10s,5m,30m,2h,5h"`
	AutoDisableAfter   int             `env:"AUTO_DISABLE_AFTER" envDefault:"3"`
	MaxInFlight        int             `env:"MAX_IN_FLIGHT" envDefault:"512"`
	WebhookMaxInFlight int             `env:"WEBHOOK_MAX_IN_FLIGHT" envDefault:"32"`
	MaxWebhooks        int             `env:"MAX_WEBHOOKS" envDefault:"100"`
	Retention          time.Duration   `env:"RETENTION" envDefault:"168h"`
	AuditRetention     time.Duration   `env:"AUDIT_RETENTION" envDefault:"9600h"`
	StreamReplicas     int             `env:"STREAM_REPLICAS" envDefault:"1"`

	EventsMaxBytes              Bytes `env:"EVENTS_MAX_BYTES" envDefault:"auto"`
	RejectedMaxBytes            Bytes `env:"REJECTED_MAX_BYTES" envDefault:"1GiB"`
	LogMaxBytes                 Bytes `env:"LOG_MAX_BYTES" envDefault:"auto"`
	OrganizationEventsMaxBytes  Bytes `env:"ORGANIZATION_EVENTS_MAX_BYTES" envDefault:"auto"`
	OrganizationWaitingMaxBytes Bytes `env:"ORGANIZATION_WAITING_MAX_BYTES" envDefault:"1GiB"`

	NATSSync string `env:"NATS_SYNC"`

	AllowHTTPEndpoints    bool           `env:"ALLOW_HTTP_ENDPOINTS" envDefault:"false"`
	AllowPrivateEndpoints bool           `env:"ALLOW_PRIVATE_ENDPOINTS" envDefault:"false"`
	DenyNetworks          []netip.Prefix `env:"DENY_NETWORKS"`
	EndpointPorts         string         `env:"ENDPOINT_PORTS" envDefault:"443,8443,1024-65535"`
	ZapierHosts           []string       `env:"ZAPIER_HOSTS" envDefault:"hooks.zapier.com"`
	ExtraCAFile           string         `env:"EXTRA_CA_FILE"`
	OutboundProxy         string         `env:"OUTBOUND_PROXY" print:"url"`

	RateLimit        float64        `env:"RATE_LIMIT" envDefault:"200"`
	RateBurst        int            `env:"RATE_BURST" envDefault:"1000"`
	AddressRateLimit float64        `env:"ADDRESS_RATE_LIMIT" envDefault:"5"`
	TrustedProxies   []netip.Prefix `env:"TRUSTED_PROXIES"`
	EmbedHosts       []string       `env:"EMBED_HOSTS"`

	Profiles bool `env:"PROFILES" envDefault:"false"`

	LogFormat string     `env:"LOG_FORMAT" envDefault:"json"`
	LogLevel  slog.Level `env:"LOG_LEVEL" envDefault:"info"`
}

// Error lists everything that is wrong with the settings.
type Error struct{ Problems []string }

// Error returns the problems, one a line.
func (e *Error) Error() string {
	return "settings:\n  " + strings.Join(e.Problems, "\n  ")
}

// Load reads the settings from environ (name to value, as of env.ToMap on
// os.Environ). required names, without the prefix, must be set; of "A|B" at
// least one. The error is an *Error with everything that is wrong.
func Load(environ map[string]string, required ...string) (Settings, error) {
	var s Settings
	var problems []string
	if err := env.ParseWithOptions(&s, env.Options{Prefix: Prefix, Environment: environ}); err != nil {
		problems = append(problems, parseProblems(err)...)
	}
	for _, name := range required {
		alternatives := strings.Split(name, "|")
		if !slices.ContainsFunc(alternatives, func(name string) bool { return strings.TrimSpace(environ[Prefix+name]) != "" }) {
			problems = append(problems, Prefix+strings.Join(alternatives, " or "+Prefix)+" is not set")
		}
	}
	problems = append(problems, misspelt(environ)...)
	if len(problems) == 0 {
		problems = s.problems()
	}
	if len(problems) > 0 {
		return Settings{}, &Error{Problems: problems}
	}
	return s, nil
}

// Environ returns a list like os.Environ as the map that Load takes.
func Environ(list []string) map[string]string { return env.ToMap(list) }

func parseProblems(err error) []string {
	aggregate, ok := errors.AsType[env.AggregateError](err)
	if !ok {
		return []string{err.Error()}
	}
	problems := make([]string, 0, len(aggregate.Errors))
	for _, e := range aggregate.Errors {
		if p, ok := errors.AsType[env.ParseError](e); ok {
			problems = append(problems, fmt.Sprintf("%s%s cannot be read: %v", Prefix, variableOf(p.Name), p.Err))
			continue
		}
		problems = append(problems, e.Error())
	}
	return problems
}

// variableOf returns the variable of a field of Settings.
func variableOf(field string) string {
	if f, ok := reflect.TypeFor[Settings]().FieldByName(field); ok {
		return f.Tag.Get("env")
	}
	return field
}

func (s Settings) problems() []string {
	var problems []string
	check := func(ok bool, name, rule string) {
		if !ok {
			problems = append(problems, Prefix+name+" must be "+rule)
		}
	}
	check(s.DrainDelay >= 0 && s.DrainDelay <= 5*time.Minute, "DRAIN_DELAY", "0 to 5m")
	check(s.DeliveryTimeout > 0 && s.DeliveryTimeout <= 5*time.Minute, "DELIVERY_TIMEOUT", "more than 0 and at most 5m")
	check(len(s.RetrySchedule) > 0, "RETRY_SCHEDULE", "a list of at least one pause, like 10s,5m")
	for _, step := range s.RetrySchedule {
		check(step > 0 && step <= s.Retention, "RETRY_SCHEDULE", "pauses of more than 0 and at most the retention")
	}
	check(s.AutoDisableAfter >= 1 && s.AutoDisableAfter <= 100, "AUTO_DISABLE_AFTER", "1 to 100")
	check(s.MaxInFlight >= 1 && s.MaxInFlight <= 65_536, "MAX_IN_FLIGHT", "1 to 65536")
	check(s.WebhookMaxInFlight >= 1 && s.WebhookMaxInFlight <= s.MaxInFlight, "WEBHOOK_MAX_IN_FLIGHT", "1 to MAX_IN_FLIGHT")
	check(s.MaxWebhooks >= 1 && s.MaxWebhooks <= 10_000, "MAX_WEBHOOKS", "1 to 10000")
	check(s.Retention >= time.Hour && s.Retention <= 90*24*time.Hour, "RETENTION", "1h to 2160h")
	check(s.AuditRetention >= 24*time.Hour && s.AuditRetention <= 10*365*24*time.Hour, "AUDIT_RETENTION", "24h to 87600h")
	check(s.PublicURL == "" || isBase(s.PublicURL), "PUBLIC_URL", "an http or https URL without query, fragment and user")
	check(s.StreamReplicas == 1 || s.StreamReplicas == 3 || s.StreamReplicas == 5, "STREAM_REPLICAS", "1, 3 or 5")
	check(s.EventsMaxBytes <= 0 || s.EventsMaxBytes >= 8<<20, "EVENTS_MAX_BYTES", "auto, 0 for no bound, or 8MiB and more")
	check(s.RejectedMaxBytes >= 1<<20, "REJECTED_MAX_BYTES", "1MiB or more")
	check(s.LogMaxBytes <= 0 || s.LogMaxBytes >= 8<<20, "LOG_MAX_BYTES", "auto, 0 for no bound, or 8MiB and more")
	check(s.OrganizationEventsMaxBytes <= 0 || s.OrganizationEventsMaxBytes >= 1<<20, "ORGANIZATION_EVENTS_MAX_BYTES", "auto, 0 for no quota, or 1MiB and more")
	check(s.OrganizationWaitingMaxBytes == 0 || s.OrganizationWaitingMaxBytes >= 1<<20, "ORGANIZATION_WAITING_MAX_BYTES", "0 for no quota, or 1MiB and more")
	check(s.NATSSync == "" || s.NATSSync == "always" || syncInterval(s.NATSSync) > 0, "NATS_SYNC", "always, or an interval like 30s")
	check(s.LogFormat == "json" || s.LogFormat == "text", "LOG_FORMAT", "json or text")
	check(len(s.ZapierHosts) > 0, "ZAPIER_HOSTS", "at least one host")
	check(s.RateLimit >= 0, "RATE_LIMIT", "requests a second, or 0 for no limit")
	check(s.RateBurst >= 1, "RATE_BURST", "1 or more")
	check(s.AddressRateLimit >= 0, "ADDRESS_RATE_LIMIT", "requests a second, or 0 for no limit")
	check(s.OutboundProxy == "" || proxyURL(s.OutboundProxy), "OUTBOUND_PROXY", "a URL like http://user:password@proxy:3128")
	check(s.natsCredentials() <= 1, "NATS_USER, NATS_CREDS and NATS_NKEY", "used one at a time")
	check((s.NATSUser == "") == (s.NATSPassword == ""), "NATS_USER and NATS_PASSWORD", "set together")
	check((s.NATSCertFile == "") == (s.NATSKeyFile == ""), "NATS_CERT_FILE and NATS_KEY_FILE", "set together")
	for _, host := range s.EmbedHosts {
		check(embedHost(host), "EMBED_HOSTS", "a list of hosts like app.example.com or https://app.example.com:8443")
	}
	return problems
}

// natsCredentials returns how many kinds of credentials for NATS are set.
func (s Settings) natsCredentials() int {
	n := 0
	for _, set := range []string{s.NATSUser, s.NATSCreds, s.NATSNKey} {
		if set != "" {
			n++
		}
	}
	return n
}

// proxyURL reports whether text is the URL of an HTTP proxy.
func proxyURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && strings.Trim(u.RequestURI(), "/") == ""
}

// embedHost reports whether text is a host source of a content security policy:
// nothing in it can end the policy's list and begin another rule.
func embedHost(text string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:*[]"
	host := strings.TrimPrefix(strings.TrimPrefix(text, "https://"), "http://")
	return host != "" && host != "*" && strings.Trim(host, allowed) == ""
}

// isBase reports whether paths can be added to a URL.
func isBase(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil && u.RawQuery == "" && !u.ForceQuery && u.Fragment == ""
}

func syncInterval(s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0
	}
	return d
}

// SyncInterval returns how often the embedded NATS server syncs its files, and
// whether it does so before each acknowledgement instead, as it does without the
// setting.
func (s Settings) SyncInterval() (interval time.Duration, always bool) {
	return syncInterval(s.NATSSync), s.NATSSync == "" || s.NATSSync == "always"
}

// LogValue prints the settings without their secrets.
func (s Settings) LogValue() slog.Value {
	v := reflect.ValueOf(s)
	attrs := make([]slog.Attr, 0, v.NumField())
	for i := range v.NumField() {
		field := v.Type().Field(i)
		value := v.Field(i)
		name := field.Tag.Get("env")
		switch {
		case value.IsZero() && field.Tag.Get("print") != "":
			attrs = append(attrs, slog.String(name, "not set"))
		case field.Tag.Get("print") == "secret":
			attrs = append(attrs, slog.String(name, "set"))
		case field.Tag.Get("print") == "url":
			attrs = append(attrs, slog.String(name, withoutCredentials(value.String())))
		default:
			attrs = append(attrs, slog.String(name, strings.Trim(fmt.Sprint(value.Interface()), "[]")))
		}
	}
	return slog.GroupValue(attrs...)
}

// withoutCredentials masks what stands before the @ of each of a comma separated
// list of URLs: NATS takes a lone user for a token, and a name may be half of the
// secret. What cannot be read as a URL is not shown at all, and neither is one where
// a part of a password may have been read as something else, because it holds an
// unescaped /, ? or #.
func withoutCredentials(list string) string {
	shown := strings.Split(list, ",")
	for i, text := range shown {
		u, err := url.Parse(strings.TrimSpace(text))
		if err != nil || u.Scheme == "" || u.Opaque != "" || u.Fragment != "" || strings.Contains(u.Path+u.RawQuery, "@") {
			return "set"
		}
		if u.User != nil {
			u.User = url.User("xxxxx")
		}
		u.RawQuery, u.ForceQuery = "", false // a database URL may carry a password there
		shown[i] = u.String()
	}
	return strings.Join(shown, ",")
}

// Names returns the names of all variables, without the prefix.
func Names() []string {
	fields := reflect.VisibleFields(reflect.TypeFor[Settings]())
	names := make([]string, 0, len(fields))
	for _, f := range fields {
		names = append(names, f.Tag.Get("env"))
	}
	return names
}
