package process_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dialnote/webhooks/services/hooklab/bench/process"
)

func start(t *testing.T, script string) *process.Process {
	t.Helper()
	l := process.NewLauncher()
	p, err := l.Start(process.Spec{Name: "script", Program: "/bin/sh", Args: []string{"-c", script}, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Kill()
		l.Close()
	})
	return p
}

func TestEndIsReportedWithTheLog(t *testing.T) {
	t.Parallel()
	p := start(t, "echo first; echo second; exit 3")
	<-p.Ended()
	if text := p.Err().Error(); !strings.Contains(text, "exit status 3") || !strings.HasSuffix(text, "first\nsecond") {
		t.Error(text)
	}
	if p.Tail(1) != "second" {
		t.Errorf("tail: %q", p.Tail(1))
	}
	if p.Stop(syscall.SIGTERM) == nil {
		t.Error("it ended in order")
	}
}

// says waits until the program's log has these words. It polls the log.
func says(t *testing.T, p *process.Process, words string) {
	t.Helper()
	for !strings.Contains(p.Tail(1), words) {
		select {
		case <-p.Ended():
			t.Fatal(p.Err())
		default:
			runtime.Gosched()
		}
	}
}

func TestStop(t *testing.T) {
	t.Parallel()
	p := start(t, `trap 'exit 0' TERM; echo ready; while :; do :; done`)
	says(t, p, "ready")
	for range 2 {
		if err := p.Stop(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
	}
}

// TestOwner is the program that TestNothingOutlivesAKilledOwner kills.
func TestOwner(t *testing.T) {
	if os.Getenv("BENCH_OWNER") == "" {
		t.Log("only as the child of TestNothingOutlivesAKilledOwner")
		return
	}
	folder, err := process.NewFolder()
	if err != nil {
		t.Fatal(err)
	}
	p, err := process.NewLauncher().Start(process.Spec{
		Name: "tail", Program: "/bin/sh", Args: []string{"-c", "exec tail -f /dev/null"}, Dir: folder.Path,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintln(os.Stdout, p.PID(), folder.Path); err != nil {
		t.Fatal(err)
	}
	<-t.Context().Done()
}

func TestNothingOutlivesAKilledOwner(t *testing.T) {
	t.Parallel()
	owner := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestOwner$")
	owner.Env = append(os.Environ(), "BENCH_OWNER=1")
	out, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	var folder string
	if _, err := fmt.Fscan(out, &pid, &folder); err != nil {
		t.Fatal(err)
	}
	_ = owner.Process.Kill()
	_ = owner.Wait() // it was killed
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for poll := time.NewTicker(5 * time.Millisecond); ; {
		_, gone := os.Stat(folder)
		if os.IsNotExist(gone) && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			return
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			t.Fatal("the program or its folder outlived the owner")
		}
	}
}

func TestUsageHoldsReapedChildren(t *testing.T) {
	t.Parallel()
	p := start(t, `(i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done); echo done; exec tail -f /dev/null`)
	says(t, p, "done")
	u, err := p.Usage()
	if err != nil {
		t.Fatal(err)
	}
	if u.CPU == 0 {
		t.Error("the child that has ended is not in its parent's account")
	}
}

func TestFolder(t *testing.T) {
	t.Parallel()
	f, err := process.NewFolder()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(f.Path, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(f.Path); !os.IsNotExist(err) {
		t.Errorf("the folder is still there: %v", err)
	}
}

func TestOutput(t *testing.T) {
	t.Parallel()
	l := process.NewLauncher()
	defer l.Close()
	out, err := l.Output(t.Context(), "/bin/sh", []byte("hello"), "-c", "cat; echo no >&2")
	if err != nil || string(out) != "hello" {
		t.Errorf("%q, %v", out, err)
	}
	if _, err := l.Output(t.Context(), "/bin/sh", nil, "-c", "echo why >&2; exit 2"); err == nil || !strings.HasSuffix(err.Error(), "exit status 2: why") {
		t.Error(err)
	}
}
