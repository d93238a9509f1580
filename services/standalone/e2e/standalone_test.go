package e2e_test

import (
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/services/hooklab/load"
	"github.com/dialnote/webhooks/services/hooklab/receiver"
	"github.com/dialnote/webhooks/services/hooklab/traffic"
)

// standalone is the program that holds everything.
type standalone struct {
	*process

	client *client
}

// startStandalone runs it in a folder until it says that it is running.
func startStandalone(t *testing.T, dir string, env map[string]string, args ...string) *standalone {
	t.Helper()
	settings := map[string]string{"DATA_DIR": "data", "HTTP_ADDR": "127.0.0.1:0"}
	maps.Copy(settings, env)
	p := start(t, "standalone", settings, dir, "standalone", args...)
	url, token := p.matching(t, `^  API +(\S+)/v1`), p.matching(t, `^  Token +(\S.*)`)
	if file, kept := strings.CutPrefix(token, "in "); kept {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		token = strings.TrimSpace(string(text))
	}
	return &standalone{process: p, client: newClient(t, url, token)}
}

// privateInstallation lets webhooks go to this machine.
func privateInstallation() map[string]string {
	return map[string]string{
		"ALLOW_HTTP_ENDPOINTS": "true", "ALLOW_PRIVATE_ENDPOINTS": "true",
		"RETRY_SCHEDULE": "2s,2s,2s,2s,2s,2s,2s,2s,2s,2s", "AUTO_DISABLE_AFTER": "100", "RATE_LIMIT": "0",
	}
}

func TestStandaloneKeepsEverythingOverARestart(t *testing.T) {
	t.Parallel()
	dir, env := t.TempDir(), privateInstallation()
	r, receiverURL := newReceiver(t)
	r.Set("/pending", receiver.Statuses(http.StatusServiceUnavailable))

	s := startStandalone(t, dir, env)
	made := s.client.create(t, receiverURL, "/pending", event.CallCompleted)
	l := newLedger(r, made)
	l.mix = traffic.Mix{Calls: 1}
	const waiting = 30
	api := load.NewAPI(s.client.base, s.client.token, 4)
	defer api.Close()
	l.publish(t, 5, waiting, 0, api)
	heldBecome(t, s.client, made.ID, waiting)
	s.stop(t)

	again := startStandalone(t, dir, env)
	if again.client.token != s.client.token {
		t.Error("the service token has changed")
	}
	kept := again.client.hook(t, made.ID)
	if kept.Name != made.Name || kept.URL != made.URL || kept.Event != made.Event || kept.FailureCount == 0 {
		t.Errorf("the webhook was %+v and is %+v", made, kept)
	}
	var secret struct{ Secret string }
	again.client.call(t, http.MethodGet, organization+"/webhooks/"+made.ID+"/secret", nil, http.StatusOK, &secret)
	if secret.Secret != made.Secret {
		t.Error("the secret has changed")
	}
	heldBecome(t, again.client, made.ID, waiting)
	again.kill(t)

	r.Set("/pending", nil)
	last := startStandalone(t, dir, env)
	l.settled(t)
	l.healthy(t, last.client)
	t.Logf("%d held events delivered after a stop and a kill, %d duplicates", waiting, l.duplicates())
	last.stop(t)
}

func TestStandaloneInProductionGoesToPublicAddressesOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := startStandalone(t, dir, nil)
	for _, organization := range []string{organization, "demo"} {
		var list struct{ Data []hook }
		s.client.call(t, http.MethodGet, organization+"/webhooks", nil, http.StatusOK, &list)
		if len(list.Data) > 0 {
			t.Errorf("%s has webhooks from the start: %+v", organization, list.Data)
		}
	}
	for _, url := range []string{
		"http://example.com/hook", "https://127.0.0.1/hook", "https://[::1]/hook", "https://10.0.0.1/hook",
		"https://192.168.1.1/hook", "https://169.254.169.254/latest", "https://localhost/hook", "https://printer.local/hook",
		"https://2130706433/hook", "https://user:password@example.com/hook", "https://example.com:25/hook",
	} {
		var problem struct {
			Errors []struct{ Pointer, Detail string }
		}
		s.client.call(t, http.MethodPost, organization+"/webhooks", map[string]string{
			"name": "Inwards", "provider": "custom", "url": url, "event": "call.completed",
		}, http.StatusUnprocessableEntity, &problem)
		if len(problem.Errors) != 1 || problem.Errors[0].Pointer != "/url" || problem.Errors[0].Detail == "" {
			t.Errorf("%s is refused with %+v", url, problem.Errors)
		}
	}
	s.client.create(t, "https://hooks.example.com", "/crm", event.CallCompleted)
	onlyForOwner(t, filepath.Join(dir, "data"))
	s.stop(t)
	onlyForOwner(t, filepath.Join(dir, "data"))
}

// onlyForOwner fails the test when another user could read a secret: the data
// folder is closed, and so is each file that holds one.
func onlyForOwner(t *testing.T, data string) {
	t.Helper()
	info, err := os.Stat(data)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o700 {
		t.Errorf("%s has mode %o", data, info.Mode().Perm())
	}
	for _, pattern := range []string{"service-token", "encryption-keys", "webhooks.db*"} {
		files, err := filepath.Glob(filepath.Join(data, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("no file %s in the data folder (%v)", pattern, err)
		}
		for _, file := range files {
			info, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode() != fs.FileMode(0o600) {
				t.Errorf("%s has mode %o", file, info.Mode())
			}
		}
	}
}
