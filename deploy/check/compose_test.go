package check_test

import (
	"maps"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/dialnote/webhooks/pkg/config"
	"github.com/dialnote/webhooks/pkg/secretbox"
)

// project loads docker-compose.yml with these variables, as docker compose does.
func project(t *testing.T, env map[string]string, profiles ...string) (*types.Project, error) {
	t.Helper()
	return loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir:  root(t),
		ConfigFiles: []types.ConfigFile{{Filename: root(t, "docker-compose.yml")}},
		Environment: env,
	}, func(o *loader.Options) { o.Profiles = profiles })
}

// newEnv returns what deploy/docker/new-env prints.
func newEnv(t *testing.T) map[string]string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), root(t, "deploy", "docker", "new-env")).Output()
	if err != nil {
		t.Fatal(err)
	}
	env, err := dotenv.UnmarshalBytesWithLookup(out, nil)
	if err != nil {
		t.Fatal(err)
	}
	return env
}

func demoEnv(t *testing.T) map[string]string {
	t.Helper()
	env, err := dotenv.UnmarshalBytesWithLookup([]byte(read(t, root(t, "deploy", "docker", "demo.env"))), nil)
	if err != nil {
		t.Fatal(err)
	}
	return env
}

// Without settings, compose names the missing ones and starts nothing: there is no
// default password.
func TestComposeHasNoDefaultPasswords(t *testing.T) {
	t.Parallel()
	env := newEnv(t)
	for name, value := range env {
		secret := strings.HasSuffix(name, "_PASSWORD") || name == "ENCRYPTION_KEYS" || name == "API_TOKENS"
		if secret && len(value) < 24 {
			t.Errorf("%s=%q is too short for a secret", name, value)
		}
		without := maps.Clone(env)
		delete(without, name)
		_, err := project(t, without)
		if secret && (err == nil || !strings.Contains(err.Error(), ".env.example")) {
			t.Errorf("without %s: %v", name, err)
		}
		if !secret && err != nil {
			t.Errorf("without %s, which is no secret: %v", name, err)
		}
	}
	if again := newEnv(t); again["API_TOKENS"] == env["API_TOKENS"] || again["POSTGRES_PASSWORD"] == env["POSTGRES_PASSWORD"] {
		t.Error("the secrets are the same each time")
	}
	text := read(t, root(t, "docker-compose.yml"))
	for _, m := range regexp.MustCompile(`(?mi)^\s*[a-z_]*(?:password|token|keys)[a-z_]*: *"?([^"\s]*)`).FindAllStringSubmatch(text, -1) {
		if m[1] != "" && !strings.HasPrefix(m[1], "${") {
			t.Errorf("a secret stands in docker-compose.yml: %s", m[0])
		}
	}
}

func TestComposeServices(t *testing.T) {
	t.Parallel()
	for name, env := range map[string]map[string]string{"production": newEnv(t), "demo": demoEnv(t)} {
		p, err := project(t, env, "demo")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if name == "production" {
			if p, err = p.WithProfiles(nil); err != nil {
				t.Fatal(err)
			}
		}
		for _, s := range p.Services {
			checkService(t, name, s)
		}
		want := 6
		if name == "demo" {
			want = 8
		}
		if len(p.Services) != want {
			t.Errorf("%s has %d services", name, len(p.Services))
		}
	}
}

// checkService checks what must be true of every service.
func checkService(t *testing.T, of string, s types.ServiceConfig) {
	t.Helper()
	name := of + ": " + s.Name
	pinned(t, name, s.Image)
	if s.Restart != "unless-stopped" {
		t.Errorf("%s restarts %q", name, s.Restart)
	}
	if s.HealthCheck == nil || s.HealthCheck.Disable && s.Name != "traffic" || !s.HealthCheck.Disable && len(s.HealthCheck.Test) < 2 {
		t.Errorf("%s has no health check", name)
	}
	if s.Privileged || len(s.SecurityOpt) == 0 || s.NetworkMode == "host" {
		t.Errorf("%s has rights that it does not need", name)
	}
	if s.Name != "postgres" && (!s.ReadOnly || len(s.CapDrop) != 1 || s.CapDrop[0] != "ALL") {
		t.Errorf("%s: read-only root %t, dropped capabilities %v", name, s.ReadOnly, s.CapDrop)
	}
	if limit, err := resource.ParseQuantity(strings.TrimSuffix(variable(s, "GOMEMLIMIT"), "B")); s.MemLimit == 0 ||
		err == nil && (limit.Value() >= int64(s.MemLimit) || float64(limit.Value()) < 0.8*float64(s.MemLimit)) {
		t.Errorf("%s may use %d bytes, and its GOMEMLIMIT is %v", name, s.MemLimit, limit.Value())
	}
	for _, p := range s.Ports {
		if p.HostIP != "127.0.0.1" {
			t.Errorf("%s can be reached from other machines at %s:%s by default", name, p.HostIP, p.Published)
		}
	}
	if _, alone := s.Networks["inside"]; s.Name == "postgres" && (!alone || len(s.Networks) != 1 || len(s.Ports) > 0) {
		t.Errorf("%s can be reached from outside", name)
	}
	ours := s.Build != nil && s.Name != "traffic" && s.Name != "receiver"
	environ, known := map[string]string{}, settings()
	for variable, value := range s.Environment {
		if !strings.HasPrefix(variable, config.Prefix) || value == nil {
			continue
		}
		environ[variable] = *value
		if ours && !known[variable] {
			t.Errorf("%s sets %s, which is no setting", name, variable)
		}
	}
	if ours {
		// The service itself would start with these.
		loaded, err := config.Load(environ, "DATABASE_URL", "NATS_URL", "ENCRYPTION_KEYS")
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := secretbox.Parse(loaded.EncryptionKeys); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		least := 45*time.Second + loaded.DrainDelay // a request to config-api
		if s.Name == "dispatcher" {
			least = loaded.DeliveryTimeout + 15*time.Second
		}
		if grace := s.StopGracePeriod; grace == nil || time.Duration(*grace) < least {
			t.Errorf("%s is killed %v after it was asked to stop", name, grace)
		}
		if loaded.AllowHTTPEndpoints != (of == "demo") || loaded.AllowPrivateEndpoints != (of == "demo") {
			t.Errorf("%s allows http %t and private addresses %t", name, loaded.AllowHTTPEndpoints, loaded.AllowPrivateEndpoints)
		}
	}
}

// variable returns the value of a variable of a service's environment, "" without.
func variable(s types.ServiceConfig, name string) string {
	if value := s.Environment[name]; value != nil {
		return *value
	}
	return ""
}

// pinned fails the test unless an image has a whole version.
func pinned(t *testing.T, what, image string) {
	t.Helper()
	if !regexp.MustCompile(`:v?\d+\.\d+(\.\d+)?(-[a-z0-9.-]+)?$`).MatchString(image) {
		t.Errorf("%s: the image %s is not pinned", what, image)
	}
}

// The override that docs/operating.md shows does what it says.
func TestTheOverrideOfTheDocumentation(t *testing.T) {
	t.Parallel()
	_, text, found := strings.Cut(read(t, root(t, "docs", "operating.md")), "```yaml\n")
	text, _, ended := strings.Cut(text, "```")
	if !found || !ended {
		t.Fatal("docs/operating.md shows no override")
	}
	p, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir:  root(t),
		ConfigFiles: []types.ConfigFile{{Filename: root(t, "docker-compose.yml")}, {Filename: "docker-compose.override.yml", Content: []byte(text)}},
		Environment: newEnv(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"config-api", "dispatcher"} {
		s := p.Services[name]
		checkService(t, "production", s)
		ca := variable(s, "DIALNOTE_EXTRA_CA_FILE")
		if len(s.Volumes) != 1 || s.Volumes[0].Target != ca || !s.Volumes[0].ReadOnly {
			t.Errorf("%s reads %s, and has the volumes %v", name, ca, s.Volumes)
		}
	}
	checkService(t, "production", p.Services["nats"])
	if timeout := variable(p.Services["dispatcher"], "DIALNOTE_DELIVERY_TIMEOUT"); timeout != "60s" {
		t.Errorf("an attempt may take %s", timeout)
	}
}

// What the broker's configuration asks of the environment, it is given.
func TestComposeGivesNATSWhatItAsksFor(t *testing.T) {
	t.Parallel()
	p, err := project(t, newEnv(t))
	if err != nil {
		t.Fatal(err)
	}
	nats := p.Services["nats"]
	asked := regexp.MustCompile(`\$(DIALNOTE_\w+)`).FindAllStringSubmatch(read(t, root(t, "deploy", "nats", "nats-server.conf")), -1)
	if len(asked) < 5 {
		t.Fatalf("%d variables", len(asked))
	}
	for _, m := range asked {
		if value := nats.Environment[m[1]]; value == nil || *value == "" {
			t.Errorf("nats is not given %s", m[1])
		}
	}
	if got := *p.Services["dispatcher"].Environment["DIALNOTE_NATS_PASSWORD"]; got != *nats.Environment["DIALNOTE_NATS_DISPATCHER_PASSWORD"] {
		t.Error("the dispatcher has another password than NATS gives it")
	}
}

// Traces are off until .env asks for them, and then on in both services, with
// every variable that .env.example offers.
func TestComposeTracesWhenAsked(t *testing.T) {
	t.Parallel()
	env := newEnv(t)
	offered := regexp.MustCompile(`(?m)^#(OTEL_\w+)=(.*)$`).FindAllStringSubmatch(read(t, root(t, ".env.example")), -1)
	if len(offered) < 5 {
		t.Fatalf("%d variables are offered", len(offered))
	}
	off, err := project(t, env)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range offered {
		env[m[1]] = m[2] + "-asked-for"
	}
	on, err := project(t, env)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"config-api", "dispatcher"} {
		for variable, value := range off.Services[name].Environment {
			if strings.HasPrefix(variable, "OTEL_") && value != nil {
				t.Errorf("%s is given %s=%s, and it was not asked for", name, variable, *value)
			}
		}
		for _, m := range offered {
			if value := on.Services[name].Environment[m[1]]; value == nil || *value != env[m[1]] {
				t.Errorf("%s is not given %s", name, m[1])
			}
		}
		for variable := range on.Services[name].Environment {
			if strings.HasPrefix(variable, "OTEL_") && env[variable] == "" {
				t.Errorf("%s takes %s, and .env.example does not say so", name, variable)
			}
		}
	}
}
