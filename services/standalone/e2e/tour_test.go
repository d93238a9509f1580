package e2e_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The tour is run as it is written, so that the first thing that a newcomer
// tries works.
func TestTheTourOfTheReadme(t *testing.T) {
	t.Parallel()
	script := tour(t)
	dir := t.TempDir()
	s := startStandalone(t, dir, nil, "--demo")
	receiverURL := s.matching(t, `^  Receiver +(\S+)`)

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	shell := exec.CommandContext(ctx, "bash", "-eu", "-o", "pipefail", "-c", script)
	shell.Dir = dir
	shell.Env = append(os.Environ(), "API="+s.client.base, "RECEIVER="+receiverURL)
	shell.WaitDelay = time.Second
	var out bytes.Buffer
	shell.Stdout, shell.Stderr = &out, &out
	if err := shell.Run(); err != nil {
		t.Fatalf("the tour: %v\n%s", err, out.String())
	}
	if !strings.Contains(out.String(), "the signature matches") {
		t.Errorf("Node does not say that the signature matches:\n%s", out.String())
	}
	t.Log("standalone printed: " + s.matching(t, `(.*✓ call\.completed .*/ok/tour → 200.*)`))
}

// tour returns the shell blocks of the README's tour, one after another.
func tour(t *testing.T) string {
	t.Helper()
	readme, err := os.ReadFile(filepath.Join("..", "..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(readme), "\n## A tour in five minutes\n")
	if !found {
		t.Fatal("the README has no tour")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var script strings.Builder
	blocks := strings.Split(section, "\n```sh\n")[1:]
	for _, block := range blocks {
		code, _, closed := strings.Cut(block, "\n```")
		if !closed {
			t.Fatalf("a block of the tour does not end: %s", block)
		}
		script.WriteString(code + "\n")
	}
	if len(blocks) < 4 {
		t.Fatalf("the tour has %d blocks", len(blocks))
	}
	return script.String()
}
