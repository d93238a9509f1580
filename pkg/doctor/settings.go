package doctor

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/dialnote/webhooks/pkg/config"
	"github.com/dialnote/webhooks/pkg/secretbox"
)

// examineSettings reports whether the settings are good enough to go on.
func (e *examination) examineSettings(environ map[string]string) bool {
	s, err := config.Load(environ, e.service.Needs...)
	if wrong, is := errors.AsType[*config.Error](err); is {
		for _, problem := range wrong.Problems {
			e.report(Finding{Fail, "settings", problem, "Set it as docs/settings.md says, and run this again."})
		}
		return false
	}
	e.settings = s
	if e.box, err = secretbox.Parse(s.EncryptionKeys); err != nil {
		e.report(Finding{Fail, "settings", config.Prefix + "ENCRYPTION_KEYS: " + err.Error(), "Write id:base64 of 32 bytes, the key that encrypts first."})
		return false
	}
	findings := judgeSettings(s, e.service.Sends)
	findings = append(findings, judgeFiles(s, os.ReadFile)...)
	if e.service.Sends {
		findings = append(findings, judgeOpenFiles(openFiles(), s.MaxInFlight))
	}
	e.report(ok("settings", "all that are needed are set, and each is within its limits"))
	e.report(findings...)
	return true
}

// judgeSettings returns settings that are allowed and seldom intended.
func judgeSettings(s config.Settings, sends bool) []Finding {
	var findings []Finding
	warn := func(when bool, says, do string) {
		if when {
			findings = append(findings, Finding{Warn, "settings", config.Prefix + says, do})
		}
	}
	warn(s.AllowPrivateEndpoints, "ALLOW_PRIVATE_ENDPOINTS lets customers send requests into this network", "Unset it unless this is a private installation whose users may reach all of it.")
	warn(s.AllowHTTPEndpoints, "ALLOW_HTTP_ENDPOINTS lets events travel unencrypted", "Unset it unless this is a private installation.")
	warn(!sends && s.PublicURL == "", "PUBLIC_URL is not set: links to the settings page name this machine", "Set it to where browsers find the service.")
	warn(!sends && strings.HasPrefix(s.PublicURL, "http://") && !local(s.PublicURL), "PUBLIC_URL is http: sessions of the settings page can be read on the way", "Serve it by https.")
	warn(unencryptedDatabase(s.DatabaseURL), "DATABASE_URL has sslmode=disable to another machine", "Set sslmode=verify-full, unless the network between is yours alone.")
	warn(unencryptedBroker(s), "NATS_URL reaches another machine and nothing asks for TLS", "Use tls:// or set DIALNOTE_NATS_CA_FILE, unless the network between is yours alone.")
	warn(s.NATSUser == "" && s.NATSCreds == "" && s.NATSNKey == "" && !strings.Contains(s.NATSURL, "@") && !local(s.NATSURL),
		"NATS_USER, NATS_CREDS and NATS_NKEY are not set: every program that reaches NATS can read all events", "Give each service its user: deploy/nats.")
	return findings
}

// judgeFiles returns the files that the settings name and that cannot be read.
func judgeFiles(s config.Settings, read func(string) ([]byte, error)) []Finding {
	var findings []Finding
	for name, path := range map[string]string{
		"API_TOKENS_FILE": s.APITokensFile, "EXTRA_CA_FILE": s.ExtraCAFile, "NATS_CREDS": s.NATSCreds, "NATS_NKEY": s.NATSNKey,
		"NATS_CA_FILE": s.NATSCAFile, "NATS_CERT_FILE": s.NATSCertFile, "NATS_KEY_FILE": s.NATSKeyFile,
	} {
		if path == "" {
			continue
		}
		if _, err := read(path); err != nil {
			findings = append(findings, Finding{Fail, "settings", fmt.Sprintf("%s%s: %v", config.Prefix, name, err), "Put the file there, readable for the user that the service runs as."})
		}
	}
	slices.SortFunc(findings, func(a, b Finding) int { return strings.Compare(a.Says, b.Says) })
	return findings
}

// judgeOpenFiles compares the limit of open files, 0 for one that is not known,
// with what a dispatcher needs: a connection for each attempt, as many that are
// idle, and some for the rest.
func judgeOpenFiles(limit uint64, maxInFlight int) Finding {
	const rest = 256
	need := uint64(3*maxInFlight + rest) //nolint:gosec // at most 65,536 attempts
	switch {
	case limit == 0:
		return ok("settings", "%d attempts at once need %d open files; the limit is not known here", maxInFlight, need)
	case limit < need:
		return Finding{Warn, "settings", fmt.Sprintf("at most %d files may be open; %d attempts at once need %d", limit, maxInFlight, need), "Raise the limit (ulimit -n, LimitNOFILE), or lower DIALNOTE_MAX_IN_FLIGHT."}
	default:
		return ok("settings", "%d files may be open; %d attempts at once need %d", limit, maxInFlight, need)
	}
}

func unencryptedDatabase(databaseURL string) bool {
	u, err := url.Parse(databaseURL)
	return err == nil && u.Query().Get("sslmode") == "disable" && !strings.HasPrefix(u.Query().Get("host"), "/") && u.Hostname() != "" && !localHost(u.Hostname())
}

func unencryptedBroker(s config.Settings) bool {
	if s.NATSCAFile != "" || s.NATSCertFile != "" || local(s.NATSURL) {
		return false
	}
	for one := range strings.SplitSeq(s.NATSURL, ",") {
		if !strings.HasPrefix(strings.TrimSpace(one), "tls://") {
			return true
		}
	}
	return false
}

// local reports whether all of a comma separated list of URLs stay on this
// machine.
func local(list string) bool {
	for one := range strings.SplitSeq(list, ",") {
		u, err := url.Parse(strings.TrimSpace(one))
		if err != nil || !localHost(u.Hostname()) {
			return false
		}
	}
	return true
}

func localHost(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
