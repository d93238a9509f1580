package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/natstest"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/proto"
	"github.com/dialnote/webhooks/services/hooklab/receiver"
)

func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestCommandLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want error
		says string
	}{
		{nil, errUsage, "hooklab receive"},
		{[]string{"dance"}, errUsage, "hooklab load"},
		{[]string{"load", "-h"}, flag.ErrHelp, "-concurrency"},
		{[]string{"listen", "-h"}, flag.ErrHelp, "-forward"},
		{[]string{"listen", "--org", "acme"}, errUsage, "--key and --org are needed"},
		{[]string{"listen", "--type", "disabled"}, errUsage, "want one of"},
		{[]string{"listen", "--header", "Host: x"}, errUsage, "Host cannot be set"},
		{[]string{"listen", "--header", "X A: x"}, errUsage, "is no name of a header"},
		{[]string{"listen", "--header", "X-A: 1", "--header", "x-a: 2"}, errUsage, "is given twice"},
		{[]string{"listen", "--header", "X-A"}, errUsage, "want name: value"},
		{[]string{"listen", "--key", "k", "--org", "acme", "--forward", "ftp://localhost/"}, errUsage, `--forward "ftp://localhost/" is no http or https URL`},
		{[]string{"listen", "--key", "k", "--org", "acme", "--forward", "/hook"}, errUsage, "is no http or https URL"},
		{[]string{"listen", "--key", "k", "--org", "acme", "--server", "://x"}, errUsage, `--server "://x" is no http or https URL`},
		{[]string{"trigger", "note.created", "--key", "k", "--org", "acme", "--server", "https://"}, errUsage, `--server "https://" is no`},
		{[]string{"trigger"}, errUsage, "which event?"},
		{[]string{"trigger", "-h"}, flag.ErrHelp, "-data"},
		{[]string{"trigger", "disabled", "--key", "k", "--org", "acme"}, errUsage, "want one of"},
		{[]string{"trigger", "note.created", "--key", "k"}, errUsage, "--key and --org are needed"},
		{[]string{"trigger", "--key", "k", "note.created"}, errUsage, "--key and --org are needed"},
		{[]string{"trigger", "--key", "k", "--org", "acme"}, errUsage, "which event?"},
		{[]string{"trigger", "--key", "k", "note.created", "5"}, errUsage, `"5" is not a flag`},
		{[]string{"receive", "-h"}, flag.ErrHelp, "-tls-certificate"},
		{[]string{"load", "--type", "calls=1"}, errUsage, "want one of"},
		{[]string{"load", "5"}, errUsage, `"5" is not a flag`},
		{[]string{"receive", "--secret", "whsec_x"}, errUsage, "want /path=whsec_"},
		{[]string{"receive", "--secret", "/ok=whsec_x"}, errUsage, "24 bytes"},
	} {
		var stderr bytes.Buffer
		err := run(limited(t), c.args, io.Discard, &stderr)
		if !errors.Is(err, c.want) || !strings.Contains(stderr.String(), c.says) {
			t.Errorf("%q: %v, says %q", c.args, err, stderr.String())
		}
	}
}

// lines collects what a program writes and tells a test when a line matches.
type lines struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{}
}

func newLines() *lines { return &lines{changed: make(chan struct{})} }

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.changed)
	l.changed = make(chan struct{})
	l.text.Write(p)
	return len(p), nil
}

func (l *lines) wait(t *testing.T, pattern string) string {
	t.Helper()
	ctx, wanted := limited(t), regexp.MustCompile(pattern)
	for {
		l.mu.Lock()
		found, changed := wanted.FindStringSubmatch(l.text.String()), l.changed
		l.mu.Unlock()
		if found != nil {
			return found[len(found)-1]
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("nothing matches %s", pattern)
		}
	}
}

// receiving runs "hooklab receive" until the test ends.
func receiving(t *testing.T, args ...string) (stdout, stderr *lines) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	stdout, stderr = newLines(), newLines()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, append([]string{"receive"}, args...), stdout, stderr) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("receive: %v", err)
		}
	})
	return stdout, stderr
}

func TestReceive(t *testing.T) {
	t.Parallel()
	caFile := filepath.Join(t.TempDir(), "ca.pem")
	stdout, stderr := receiving(t, "--addr", "127.0.0.1:0", "--tls-addr", "127.0.0.1:0", "--ca-file", caFile, "--json")
	url := stderr.wait(t, `receiving at (http://\S+)/\n`)
	stderr.wait(t, `receiving at (https://\S+)/ \(good certificate\)`)
	pem, err := os.ReadFile(caFile)
	if err != nil || !bytes.HasPrefix(pem, []byte("-----BEGIN CERTIFICATE-----")) {
		t.Errorf("authority: %q, %v", pem, err)
	}
	req, err := http.NewRequestWithContext(limited(t), http.MethodPost, url+"/status/503", strings.NewReader(`{"a":1}`))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	var line struct {
		Body, Path string
		Status     int
	}
	if err := json.Unmarshal([]byte(stdout.wait(t, `(?s)^(.*)\n`)), &line); err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 503 || line.Body != `{"a":1}` || line.Status != 503 || line.Path != "/status/503" {
		t.Errorf("answered %s, printed %+v", resp.Status, line)
	}
}

func TestReceiveRefusesWhatItCannotDo(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"--addr", "256.0.0.1:1"},
		{"--addr", "127.0.0.1:0", "--tls-addr", "127.0.0.1:0", "--tls-certificate", "fancy"},
		{"--addr", "127.0.0.1:0", "--tls-addr", "127.0.0.1:0", "--ca-file", "/nonexistent/ca.pem"},
	} {
		if err := run(limited(t), append([]string{"receive"}, args...), io.Discard, io.Discard); err == nil {
			t.Errorf("%q did not fail", args)
		}
	}
}

// api starts a receiver that stands in for the API: it answers as told.
func api(t *testing.T, b receiver.Behaviour) (*receiver.Receiver, string) {
	t.Helper()
	rec := receiver.New(receiver.Options{})
	t.Cleanup(func() { _ = rec.Close() })
	l, err := rec.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	for _, organization := range []string{"acme", "globex"} {
		rec.Set("/v1/organizations/"+organization+"/events", b)
	}
	return rec, l.URL("")
}

func TestLoadThroughTheAPI(t *testing.T) {
	t.Parallel()
	rec, url := api(t, receiver.Statuses(http.StatusAccepted))
	ids := filepath.Join(t.TempDir(), "ids")
	var stdout bytes.Buffer
	args := []string{"load", "--api", url, "--token", "tok", "--org", "acme,globex", "--count", "20", "--concurrency", "3", "--ids", ids, "--type", "note.created=1"}
	if err := run(limited(t), args, &stdout, io.Discard); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(stdout.String(), "accepted 20 of 20 events in ") {
		t.Errorf("printed %q", stdout.String())
	}
	written, err := os.ReadFile(ids)
	if err != nil {
		t.Fatal(err)
	}
	for _, organization := range []string{"acme", "globex"} {
		requests := rec.Requests("/v1/organizations/" + organization + "/events")
		if len(requests) != 10 {
			t.Errorf("%d events for %s, want 10", len(requests), organization)
		}
		for _, r := range requests {
			e, err := event.ParseJSON(r.Body)
			if err != nil || e.OrganizationID != organization || e.Type != event.NoteCreated {
				t.Errorf("published %s: %v", r.Body, err)
			}
			if !strings.Contains(string(written), e.ID+"\n") || time.Since(e.Timestamp) > time.Hour {
				t.Errorf("%s of %s: not written, or not of just now", e.ID, e.Timestamp)
			}
		}
	}
}

func TestLoadSaysWhatFailed(t *testing.T) {
	t.Parallel()
	rec, url := api(t, receiver.Statuses(http.StatusUnauthorized))
	var stdout bytes.Buffer
	err := run(limited(t), []string{"load", "--api", url, "--count", "3", "--seed", "1"}, &stdout, io.Discard)
	if err == nil || !strings.Contains(stdout.String(), "the first of 3 failures") || !strings.Contains(stdout.String(), "401") {
		t.Errorf("%v, printed %q", err, stdout.String())
	}
	first := string(rec.Requests("")[0].Body)
	rec.Clear()
	_ = run(limited(t), []string{"load", "--api", url, "--count", "3", "--seed", "1"}, io.Discard, io.Discard)
	again := false
	for _, r := range rec.Requests("") {
		again = again || string(r.Body) == first
	}
	if !again {
		t.Error("the same seed made other events")
	}
}

func TestLoadThroughNATS(t *testing.T) {
	t.Parallel()
	server := natstest.Start(t)
	conn, err := stream.Connect(stream.Settings{URL: server.ClientURL(), Name: "test"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx := limited(t)
	if err := conn.Ensure(ctx, stream.Topology{Retention: time.Hour, Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	var stdout bytes.Buffer
	if err := run(ctx, []string{"load", "--nats", server.ClientURL(), "--count", "25", "--patience", "10s"}, &stdout, io.Discard); err != nil {
		t.Fatalf("%v: %s", err, stdout.String())
	}
	// What the stream holds, not what its consumer has been told of so far.
	if n := len(server.Stored(t, proto.StreamEvents)); n != 25 {
		t.Errorf("%d events in the stream, want 25", n)
	}
}
