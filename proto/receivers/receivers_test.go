package receivers_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dialnote/webhooks/proto/receivers"
	"github.com/dialnote/webhooks/proto/receivers/internal/cases"
)

// patience bounds a failure.
const patience = 60 * time.Second

func TestEveryExampleChecksTheSignature(t *testing.T) {
	t.Parallel()
	all, err := cases.Load("../golden")
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 100 {
		t.Fatalf("only %d cases", len(all))
	}
	input, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	// Go's is checked in its own folder.
	for language, command := range map[string][]string{
		"Node":   {"node", "testdata/check.js", "../node/receiver.js"},
		"Python": {"python3", "-B", "testdata/check.py", "python/receiver.py"},
		"PHP":    {"php", "testdata/check.php", "php/receiver.php"},
		"Ruby":   {"ruby", "testdata/check.rb", "ruby/receiver.rb"},
	} {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			verdicts := verdictsOf(t, command, input)
			if len(verdicts) != len(all) {
				t.Fatalf("%d verdicts on %d cases", len(verdicts), len(all))
			}
			for i, c := range all {
				if verdicts[i] != c.Want {
					t.Errorf("%s: %v, want %v", c.Name, verdicts[i], c.Want)
				}
			}
		})
	}
}

func verdictsOf(t *testing.T, command []string, input []byte) (verdicts []bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	check := exec.CommandContext(ctx, command[0], command[1:]...)
	check.Stdin = bytes.NewReader(input)
	var complaint bytes.Buffer
	check.Stderr = &complaint
	out, err := check.Output()
	if err != nil {
		t.Fatalf("%q: %v\n%s", command, err, complaint.String())
	}
	if err := json.Unmarshal(out, &verdicts); err != nil {
		t.Fatalf("%q printed %q: %v", command, out, err)
	}
	return verdicts
}

const secret = "whsec_ZGlhbG5vdGUgZ29sZGVuIHRlc3Qga2V5"

// servers returns the command of each example's server.
func servers(t *testing.T) map[string][]string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "receiver")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./go").CombinedOutput(); err != nil {
		t.Fatalf("build Go's: %v\n%s", err, out)
	}
	return map[string][]string{
		"Node":   {"node", "node/receiver.js"},
		"Python": {"python3", "-B", "python/receiver.py"},
		"Go":     {binary},
		"PHP":    {"php", "-S", "127.0.0.1:PORT", "php/receiver.php"},
		"Ruby":   {"ruby", "ruby/receiver.rb"},
	}
}

// An example without a secret refuses what is signed with an empty one.
func TestNoExampleReceivesWithoutASecret(t *testing.T) {
	t.Parallel()
	for language, command := range servers(t) {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			if language == "PHP" { // its server runs the program for each request
				r := run(t, command, "")
				r.send(t, "", http.StatusInternalServerError, "evt_1", time.Now(), "{}", "{}")
				return
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			program := exec.CommandContext(ctx, command[0], command[1:]...)
			program.Env = append(os.Environ(), "PORT=0", "DIALNOTE_WEBHOOK_SECRET=")
			out, err := program.CombinedOutput()
			if _, is := errors.AsType[*exec.ExitError](err); !is || !strings.Contains(string(out), "set DIALNOTE_WEBHOOK_SECRET") {
				t.Errorf("it ended with %v:\n%s", err, out)
			}
		})
	}
}

func TestEveryExampleReceives(t *testing.T) {
	t.Parallel()
	for language, command := range servers(t) {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			r := run(t, command, secret)
			const body = `{"id":"evt_1","type":"call.completed","timestamp":"2024-01-15T10:30:00Z","organizationId":"acme","data":{"note":"Zoë 🎧"}}`
			now := time.Now()
			r.send(t, secret, http.StatusUnauthorized, "evt_1", now, body, body+" ")
			r.send(t, secret, http.StatusUnauthorized, "evt_1", now.Add(-time.Hour), body, body)
			r.send(t, secret, http.StatusNoContent, "evt_1", now, body, body)
			r.send(t, secret, http.StatusNoContent, "evt_1", now.Add(time.Second), body, body) // again, as after a retry
			last := strings.ReplaceAll(body, "evt_1", "evt_2")
			r.send(t, secret, http.StatusNoContent, "evt_2", now, last, last)
			r.out.wait(t, "call.completed evt_2")
			if n := strings.Count(r.out.String(), "call.completed evt_1"); n != 1 {
				t.Errorf("worked on evt_1 %d times:\n%s", n, r.out.String())
			}
		})
	}
}

// No example takes more into its memory than a body of ours can have: one that
// announces more is refused before it is sent, one that is sent in pieces when it is
// too long.
func TestEveryExampleBoundsTheBody(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	length := func(n int) string { return fmt.Sprintf("Content-Length: %d\r\n\r\n", n) }
	chunk := func(n int) string { return fmt.Sprintf("%x\r\n%s\r\n", n, strings.Repeat("x", n)) }
	const chunked = "Transfer-Encoding: chunked\r\n\r\n"
	for language, command := range servers(t) {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			r := run(t, command, secret)
			r.answers(t, http.StatusUnauthorized, length(limit)+strings.Repeat("x", limit))
			if language == "PHP" { // its server reads the body before the program runs
				r.answers(t, http.StatusRequestEntityTooLarge, length(limit+1)+strings.Repeat("x", limit+1))
				return
			}
			r.answers(t, http.StatusRequestEntityTooLarge, length(limit+1))
			r.answers(t, http.StatusRequestEntityTooLarge, length(9_000_000_000))
			switch language {
			case "Python": // its server knows no chunks: there is no body
				r.answers(t, http.StatusRequestEntityTooLarge, length(-1))
			default:
				r.answers(t, http.StatusUnauthorized, chunked+chunk(limit)+"0\r\n\r\n")
				r.answers(t, http.StatusRequestEntityTooLarge, chunked+chunk(limit)+chunk(1))
			}
		})
	}
}

// answers sends what follows the first lines of a request, and fails the test unless
// the answer has a status.
func (r *running) answers(t *testing.T, want int, rest string) {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.Trim(r.url, "htp:/"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	go func() {
		_, _ = conn.Write([]byte("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + rest))
	}()
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Errorf("%.60q: %v", rest, err)
		return
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != want {
		t.Errorf("%.60q: %d, want %d", rest, answer.StatusCode, want)
	}
}

// running is an example that runs.
type running struct {
	url string
	out *output
}

// run starts an example on a port of its own and returns when it answers.
func run(t *testing.T, command []string, secret string) *running {
	t.Helper()
	address := freeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	args := make([]string, len(command))
	for i, arg := range command {
		args[i] = strings.ReplaceAll(arg, "PORT", port)
	}
	r := &running{url: "http://" + address + "/", out: newOutput()}
	program := exec.Command(args[0], args[1:]...)
	program.Env = append(os.Environ(), "PORT="+port, "DIALNOTE_WEBHOOK_SECRET="+secret, "TMPDIR="+t.TempDir())
	program.Stdout, program.Stderr = r.out, r.out
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = program.Wait() }()
	t.Cleanup(func() {
		_ = program.Process.Kill()
		<-ended
	})
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	deadline := time.After(patience)
	for {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(t.Context(), "tcp", address)
		if err == nil {
			_ = conn.Close()
			return r
		}
		select {
		case <-retry.C:
		case <-ended:
			t.Fatalf("%q has ended:\n%s", args, r.out.String())
		case <-deadline:
			t.Fatalf("%q does not listen: %v\n%s", args, err, r.out.String())
		}
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// send sends a body under the signature of another, or the same.
func (r *running) send(t *testing.T, secret string, want int, id string, at time.Time, signed, sent string) {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	seconds := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, key)
	_, _ = fmt.Fprintf(mac, "%s.%s.%s", id, seconds, signed)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, strings.NewReader(sent))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Webhook-Id", id)
	req.Header.Set("Webhook-Timestamp", seconds)
	req.Header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatalf("%v\n%s", err, r.out.String())
	}
	_ = resp.Body.Close()
	if resp.StatusCode != want {
		t.Errorf("%s of %s answered %d, want %d\n%s", id, at, resp.StatusCode, want, r.out.String())
	}
}

// output is what a program prints.
type output struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{}
}

func newOutput() *output { return &output{changed: make(chan struct{})} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.changed)
	o.changed = make(chan struct{})
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func (o *output) wait(t *testing.T, text string) {
	t.Helper()
	deadline := time.After(patience)
	for {
		o.mu.Lock()
		found, changed := strings.Contains(o.text.String(), text), o.changed
		o.mu.Unlock()
		if found {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("%q was not printed:\n%s", text, o.String())
		}
	}
}

func TestExamplesCanBeShown(t *testing.T) {
	t.Parallel()
	all, err := receivers.All()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		if !strings.HasPrefix(e.Source, e.Verification) || strings.Contains(e.Verification, "---") || len(e.Verification) > 3000 {
			t.Errorf("%s: its verification is\n%s", e.Language, e.Verification)
		}
		for _, must := range []string{"sha256=", "v1,"} {
			if !strings.Contains(e.Verification, must) {
				t.Errorf("%s: its verification does not have %s", e.Language, must)
			}
		}
	}
}
