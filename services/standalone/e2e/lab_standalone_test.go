package e2e_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/services/hooklab/load"
	"github.com/dialnote/webhooks/services/hooklab/traffic"
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
		"NATS' files cannot be made":     {"data/nats", "data/nats: not a directory"},
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

// The streams reserve 1.6 GiB, however little they hold: on a smaller disk standalone
// starts all the same, says so, and delivers.
func TestStandaloneOnASmallDisk(t *testing.T) {
	t.Parallel()
	if !mayMount(t) {
		t.Fatal("this test has to mount a file system: run it as root")
	}
	dir := t.TempDir()
	small, err := newDisk(t, filepath.Join(dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	r, receiverURL := newReceiver(t)
	settings := privateInstallation()
	settings["DATA_DIR"], settings["HTTP_ADDR"] = filepath.Join(dir, "data"), "127.0.0.1:0"
	settings["API_TOKENS"] = "e2e:" + serviceToken
	program, args := small.command(t, filepath.Join(bin, "standalone"))
	p := start(t, "standalone", settings, dir, program, args...)
	p.matching(t, `little room for events`)
	c := newClient(t, p.matching(t, `^  API +(\S+)/v1`), serviceToken)
	made := c.create(t, receiverURL, "/small", event.CallCompleted)
	made.path = "/small"
	l := newLedger(r, made)
	l.mix = traffic.Mix{Calls: 1}
	api := load.NewAPI(c.base, c.token, 4)
	defer api.Close()
	l.publish(t, 3, 20, 0, api)
	l.settled(t)
}
