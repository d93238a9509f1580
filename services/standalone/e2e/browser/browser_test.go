// Package browser_test walks through the settings page in a real browser,
// against the real program and a receiver that breaks and recovers. The walks
// themselves are in services/config-api/internal/portal/web/test.
package browser_test

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/dialnote/webhooks/services/hooklab/receiver"
)

// patience bounds a failure.
const patience = 5 * time.Minute

// web is the folder of the scripts.
const web = "../../../config-api/internal/portal/web"

func TestThePageInABrowser(t *testing.T) {
	t.Parallel()
	s := start(t)
	node(t, s.env(), "--test", "--test-concurrency=1", "--test-timeout=200000", "--test-reporter=spec", "test/")
}

// node runs a script of the page's folder until it ends.
func node(t *testing.T, env []string, args ...string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(web, "node_modules", "playwright-core")); err != nil {
		t.Fatal("the browser's driver is not installed: make page-scripts")
	}
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("there is no chromium: make needs")
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", args...)
	cmd.Dir = web
	cmd.Env = append(os.Environ(), append(env, "CHROMIUM="+chromium)...)
	// node starts a browser: when the time is over, all of them end.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("node: %v", err)
	}
}

// system is the program with what the walks need.
type system struct {
	standalone *program
	storybook  string
	receiver   string
	control    string
}

func (s *system) env() []string {
	return []string{
		"BASE=" + s.standalone.url, "TOKEN=" + token, "STORYBOOK=" + s.storybook,
		"RECEIVER=" + s.receiver, "CONTROL=" + s.control,
	}
}

const token = "browser-test-token-0123456789"

func start(t *testing.T) *system {
	t.Helper()
	bin := programs(t)
	r := receiver.New(receiver.Options{})
	l, err := r.ListenHandler(t.Context(), "127.0.0.1:0", r.WithControl())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	s := &system{receiver: l.URL(""), storybook: storybook(t, bin)}
	address := freeAddress(t)
	s.standalone = run(t, filepath.Join(bin, "standalone"), address, "/readyz",
		"DATA_DIR="+t.TempDir(), "HTTP_ADDR="+address, "API_TOKENS=test:"+token, "NATS_SYNC=1m",
		"ALLOW_HTTP_ENDPOINTS=true", "ALLOW_PRIVATE_ENDPOINTS=true", "RETRY_SCHEDULE=2s,2s,2s", "DELIVERY_TIMEOUT=10s",
		"EMBED_HOSTS=http://127.0.0.1:*",
	)
	s.control = serve(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch req.URL.Path {
		case "/stop":
			s.standalone.stop(t)
		case "/start":
			s.standalone.start(t)
		default:
			http.NotFound(w, req)
		}
	}))
	return s
}

// storybook runs the storybook and returns its address.
func storybook(t *testing.T, bin string) string {
	t.Helper()
	address := freeAddress(t)
	const path = "/portal/storybook/"
	return run(t, filepath.Join(bin, "storybook"), address, path, "").url + path
}
