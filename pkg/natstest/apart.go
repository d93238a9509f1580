package natstest

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// StartApart runs a server with its own JetStream store in a process of its own
// until the test ends, and returns its URL. It takes longer than Start, because
// the server is built first. It is for tests that make the server change one
// stream concurrently: in the test's process the race detector would report races
// in the server's own code.
func StartApart(tb testing.TB) (url string) {
	tb.Helper()
	dir := tb.TempDir()
	program := filepath.Join(dir, "nats-server")
	build := exec.CommandContext(tb.Context(), "go", "build", "-buildvcs=false", "-o", program, "github.com/nats-io/nats-server/v2") //nolint:gosec // a fixed program
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		tb.Fatalf("build nats-server: %v\n%s", err, out)
	}
	cmd := exec.CommandContext(tb.Context(), program, "-js", "-sd", filepath.Join(dir, "store"), "-a", "127.0.0.1", "-p", "-1") //nolint:gosec // the one just built
	said, err := cmd.StderrPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatalf("start nats-server: %v", err)
	}
	tb.Cleanup(func() { _ = cmd.Wait() }) // says only that it was killed, with the context
	listening := regexp.MustCompile(`Listening for client connections on (\S+)`)
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		if at := listening.FindStringSubmatch(lines.Text()); at != nil {
			url = "nats://" + at[1]
		}
		if strings.Contains(lines.Text(), "Server is ready") {
			go func() {
				for lines.Scan() { // a full pipe would stop the server
				}
			}()
			return url
		}
	}
	tb.Fatalf("nats-server ended before it was ready: %v", lines.Err())
	return ""
}
