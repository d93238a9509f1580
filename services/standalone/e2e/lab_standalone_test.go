package e2e_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Two programs on one data folder would lose each other's events: the second one
// says who has the folder, and ends. The first goes on, and the folder is free when
// it has ended, even if it was killed.
func TestTheSecondStandaloneOnADataFolderEnds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := startStandalone(t, dir, privateInstallation())
	second := start(t, "second standalone", map[string]string{"DATA_DIR": "data/../data", "HTTP_ADDR": "127.0.0.1:0"}, dir, "standalone")
	second.fails(t, "is in use by process "+strconv.Itoa(first.cmd.Process.Pid), "DIALNOTE_DATA_DIR")
	if status, text, err := get(first.client.base + "/readyz"); err != nil || status != http.StatusOK {
		t.Errorf("the first one is not ready any more: %d %s %v", status, text, err)
	}
	first.kill(t)
	startStandalone(t, dir, privateInstallation())
}

// A data folder, or a part of it, that cannot be written is named at once.
func TestStandaloneNamesWhatItCannotWrite(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ spoil, says string }{
		"the folder's place is a file":   {"data", "data: not a directory"},
		"NATS' files cannot be made":     {"data/nats", "Can't start JetStream"},
		"NATS' stream folder is no such": {"data/nats/jetstream", "Can't start JetStream"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			spoiled := filepath.Join(dir, c.spoil)
			if err := os.MkdirAll(filepath.Dir(spoiled), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(spoiled, []byte("no folder"), 0o600); err != nil {
				t.Fatal(err)
			}
			start(t, "standalone", map[string]string{"DATA_DIR": "data", "HTTP_ADDR": "127.0.0.1:0"}, dir, "standalone").fails(t, c.says)
		})
	}
}

// fails waits until the program has ended with an error that says all of these.
func (p *process) fails(t *testing.T, says ...string) {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		t.Fatalf("%s did not end by itself:\n%s", p.name, p.log.tail(20))
	}
	if p.err == nil {
		t.Errorf("%s ended without an error", p.name)
	}
	for _, text := range says {
		if !strings.Contains(p.log.tail(20), text) {
			t.Errorf("%s ended and did not say %q:\n%s", p.name, text, p.log.tail(20))
		}
	}
}
