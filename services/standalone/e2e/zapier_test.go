package e2e_test

import (
	"bytes"
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// The Zapier app is run as it is published, against the real system, with
// Zapier's own library around it.
func TestTheZapierApp(t *testing.T) {
	t.Parallel()
	app := filepath.Join("..", "..", "..", "deploy", "zapier")
	if _, err := os.Stat(filepath.Join(app, "node_modules", "zapier-platform-core")); err != nil {
		t.Fatal("the app's dependencies are not installed: run make zapier-modules")
	}
	env := map[string]string{"ZAPIER_HOSTS": "127.0.0.1:*"}
	maps.Copy(env, privateInstallation())
	s := startStandalone(t, t.TempDir(), env)

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	files, err := filepath.Glob(filepath.Join(app, "test", "*.test.js"))
	if err != nil || len(files) < 3 {
		t.Fatalf("the app's tests are %q, %v", files, err)
	}
	args := []string{"--test"}
	for _, file := range files { // node's own patterns differ between its versions
		args = append(args, filepath.Join("test", filepath.Base(file)))
	}
	node := exec.CommandContext(ctx, "node", args...)
	node.Dir = app
	node.Env = append(os.Environ(), "NODE_ENV=test", "DIALNOTE_API_URL="+s.client.base, "DIALNOTE_SERVICE_TOKEN="+s.client.token)
	node.WaitDelay = time.Second
	var out bytes.Buffer
	node.Stdout, node.Stderr = &out, &out
	if err := node.Run(); err != nil {
		t.Errorf("node --test: %v\n%s", err, out.String())
	}
	s.stop(t)
}
