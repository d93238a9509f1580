// Package process starts real programs, watches them, and says what they have
// used.
package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// stopWithin is how long a program may take to end in order before it is
// killed.
const stopWithin = 15 * time.Second

// Spec says what to start.
type Spec struct {
	Name    string // in messages, and of the log file
	Program string // path
	Args    []string
	Env     []string // its whole environment but for PATH and HOME
	Dir     string   // where it runs and its log is written
}

// Process is one running program.
type Process struct {
	Name string

	cmd   *exec.Cmd
	log   string
	ended chan struct{}
	err   error // of its end; read it after ended
}

// Launcher starts programs that die with this process, however this process
// dies.
type Launcher struct{ work chan func() }

// NewLauncher returns a launcher. The kernel takes the thread that started a
// program for its parent, so all are started by one that lasts until Close.
func NewLauncher() *Launcher {
	l := &Launcher{work: make(chan func())}
	go func() {
		runtime.LockOSThread()
		for do := range l.work {
			do()
		}
	}()
	return l
}

// Close ends the launcher. Call it when everything that it started has ended.
func (l *Launcher) Close() { close(l.work) }

// Start starts a program. Its output goes to a file, because a pipe would cost
// this process's time; an interrupt typed at the terminal does not reach it.
func (l *Launcher) Start(s Spec) (*Process, error) {
	log, err := os.Create(filepath.Join(s.Dir, s.Name+".log"))
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", s.Name, err)
	}
	defer func() { _ = log.Close() }() // the program has its own
	//nolint:gosec,noctx // a program that was built for this; it ends by Stop
	cmd := exec.Command(s.Program, s.Args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.Dir, log, log
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, s.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	started := make(chan error)
	l.work <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", s.Name, err)
	}
	p := &Process{Name: s.Name, cmd: cmd, log: log.Name(), ended: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// PID returns its process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Ended is closed when the program has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Err says how the program ended and what it said last. Only after Ended.
func (p *Process) Err() error {
	return fmt.Errorf("%s has ended (%v); it said last:\n%s", p.Name, p.err, p.Tail(15)) //nolint:errorlint // nil is an answer too
}

// Stop asks the program to end, with the signal by which it ends in order, and
// waits for it; past its time it is killed. Stopping what has ended is
// harmless. It returns an error unless the program ended in order.
func (p *Process) Stop(with os.Signal) error {
	err := p.cmd.Process.Signal(with)
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", p.Name, err)
	}
	late := time.NewTimer(stopWithin)
	defer late.Stop()
	select {
	case <-p.ended:
	case <-late.C:
		p.Kill()
		return fmt.Errorf("%s did not stop within %s", p.Name, stopWithin)
	}
	if p.err != nil {
		return p.Err()
	}
	return nil
}

// Kill ends the program at once and waits for it.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // or it has ended already
	<-p.ended
}

// Usage returns what the program has used.
func (p *Process) Usage() (Usage, error) { return OfTree(p.PID()) }

// Tail returns the last lines of its log.
func (p *Process) Tail(lines int) string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// Output runs a program to its end and returns what it wrote. It is killed when
// ctx ends first.
func (l *Launcher) Output(ctx context.Context, program string, input []byte, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, program, args...) //nolint:gosec // this program itself
	var out, complaints bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &out, &complaints
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	started := make(chan error)
	l.work <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	if err := cmd.Wait(); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("run %s %v: %w: %s", filepath.Base(program), args, err, bytes.TrimSpace(complaints.Bytes()))
	}
	return out.Bytes(), nil
}
