package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait. Nothing takes nearly as long unless it is broken:
// the longest wait is the minute after which the broker hands out again what a
// killed replica held.
const patience = 3 * time.Minute

// process is one running program.
type process struct {
	name  string
	cmd   *exec.Cmd
	log   *transcript
	ended chan struct{} // closed when it has ended
	err   error         // of its end; read it after ended
}

// start runs a program until the test ends. env is its whole DIALNOTE_
// environment.
func start(t *testing.T, name string, env map[string]string, dir, program string, args ...string) *process {
	t.Helper()
	p := &process{name: name, log: newTranscript(), ended: make(chan struct{})}
	if !filepath.IsAbs(program) { // else it is one of another version
		program = filepath.Join(bin, program)
	}
	p.cmd = exec.Command(program, args...)
	p.cmd.Dir = dir
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	for key, value := range env {
		if !strings.HasPrefix(key, "OTEL_") { // those have no prefix
			key = "DIALNOTE_" + key
		}
		p.cmd.Env = append(p.cmd.Env, key+"="+value)
	}
	if err := spawn(p.cmd); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		p.log.end()
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
		if t.Failed() {
			t.Logf("the last of %s (%d):\n%s", name, p.cmd.Process.Pid, p.log.tail(40))
		}
	})
	return p
}

// spawn starts a command that dies with this process, however this process
// dies. The kernel takes the thread that started it for its parent, so all are
// started by one thread that never ends.
func spawn(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	spawner() <- func() { started <- cmd.Start() }
	return <-started
}

var spawner = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for do := range work {
			do()
		}
	}()
	return work
})

// stop asks the program to end, as an orchestrator does, and fails the test
// unless it ends in order.
func (p *process) stop(t *testing.T) {
	t.Helper()
	p.signal(t, syscall.SIGTERM)
	if p.err != nil {
		t.Fatalf("%s was asked to stop and ended with: %v", p.name, p.err)
	}
}

// kill ends the program at once, wherever it is.
func (p *process) kill(t *testing.T) {
	t.Helper()
	p.signal(t, syscall.SIGKILL)
}

func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if !p.alive() {
		t.Fatalf("%s has ended by itself: %v", p.name, p.err)
	}
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatalf("signal %s: %v", p.name, err)
	}
	select {
	case <-p.ended:
	case <-time.After(patience):
		t.Fatalf("%s did not end after %s", p.name, s)
	}
}

func (p *process) alive() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// find waits for the first line that match accepts and returns what it made of
// it.
func (p *process) find(t *testing.T, what string, match func(line string) (string, bool)) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	found, err := p.log.find(ctx, match)
	if err != nil {
		t.Fatalf("%s: wait for %s: %v\n%s", p.name, what, err, p.log.tail(40))
	}
	return found
}

// matching waits for a line that the pattern matches and returns its first
// group.
func (p *process) matching(t *testing.T, pattern string) string {
	t.Helper()
	expression := regexp.MustCompile(pattern)
	return p.find(t, "a line like "+pattern, func(line string) (string, bool) {
		groups := expression.FindStringSubmatch(line)
		if groups == nil {
			return "", false
		}
		return groups[len(groups)-1], true
	})
}

// listening waits until the program says which address it uses for a purpose
// and returns that address.
func (p *process) listening(t *testing.T, purpose ...string) string {
	t.Helper()
	return p.find(t, "its address", func(line string) (string, bool) {
		var entry struct{ Msg, For, Addr string }
		if json.Unmarshal([]byte(line), &entry) != nil || entry.Msg != "listening" {
			return "", false
		}
		return entry.Addr, slices.Contains(purpose, entry.For)
	})
}

// transcript is everything a program has said, line by line.
type transcript struct {
	mu      sync.Mutex
	lines   []string
	rest    []byte
	over    bool
	changed chan struct{} // closed, and replaced, at the next change
}

func newTranscript() *transcript { return &transcript{changed: make(chan struct{})} }

// errEnded says that the program ended before it said what was waited for.
var errEnded = errors.New("the program has ended")

// Write implements io.Writer.
func (l *transcript) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, p...)
	for {
		line, rest, whole := bytes.Cut(l.rest, []byte("\n"))
		if !whole {
			break
		}
		l.lines, l.rest = append(l.lines, string(line)), bytes.Clone(rest)
	}
	l.announce()
	return len(p), nil
}

func (l *transcript) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	l.announce()
}

func (l *transcript) announce() {
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *transcript) find(ctx context.Context, match func(line string) (string, bool)) (string, error) {
	for from := 0; ; {
		lines, over, changed := l.from(from)
		from += len(lines)
		for _, line := range lines {
			if found, ok := match(line); ok {
				return found, nil
			}
		}
		if over {
			return "", errEnded
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", fmt.Errorf("wait for a line: %w", ctx.Err())
		}
	}
}

func (l *transcript) from(n int) (lines []string, over bool, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines[n:], l.over, l.changed
}

// tail returns the last n lines that are not about one request.
func (l *transcript) tail(n int) string {
	all, _, _ := l.from(0)
	var lines []string
	for _, line := range all {
		if !strings.Contains(line, `"msg":"request"`) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// troubles returns the lines of the log that report an error.
func (l *transcript) troubles() []string {
	var errors []string
	lines, _, _ := l.from(0)
	for _, line := range lines {
		var entry struct{ Level string }
		if json.Unmarshal([]byte(line), &entry) != nil || entry.Level == "ERROR" {
			errors = append(errors, line)
		}
	}
	return errors
}

// await calls ask until it returns nil. It is for states that nothing announces.
func await(t *testing.T, what string, ask func() error) {
	t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	deadline := time.After(patience)
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-again.C:
		case <-deadline:
			t.Fatalf("%s: still %v after %s", what, err, patience)
		}
	}
}
