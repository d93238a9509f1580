// Command images builds the images of deploy/docker/Dockerfile, runs
// docker-compose.yml with them, and checks what docs/operating.md promises of
// both, on a machine without a container engine:
//
//	make images-check
//
// Podman stands in for Docker's engine, and Compose v2 talks to it. No registry
// is needed: the images that the files name are made here, under the same names.
// docs/images.md says which and how, and what this cannot show.
//
// Everything that runs is in namespaces of processes, mounts and network of its
// own. The machine's own network gets no rule, and nothing is left running,
// however the command ends.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "images-check:", err)
		os.Exit(1)
	}
}

// run does one stage of the check. Without an argument it is the whole: each
// stage is then a process of its own, in namespaces of its own.
func run(ctx context.Context, args []string) error {
	w, err := newWorkplace()
	if err != nil {
		return err
	}
	switch {
	case len(args) == 0:
		return whole(ctx, w)
	case args[0] == "build":
		return inside(ctx, w, buildAll)
	case args[0] == "run":
		return inside(ctx, w, runAll)
	}
	return errors.New("usage: images")
}

func whole(ctx context.Context, w *workplace) (err error) {
	if err := lacking(); err != nil {
		return err
	}
	unlock, err := w.lock()
	if err != nil {
		return err
	}
	defer unlock()
	defer func() { err = errors.Join(err, w.leavesNothing(context.WithoutCancel(ctx))) }()
	began := time.Now()
	if err := w.prepare(ctx); err != nil {
		return err
	}
	if err := stage(ctx, "build", syscall.CLONE_NEWNS|syscall.CLONE_NEWPID); err != nil {
		return err
	}
	if err := stage(ctx, "run", syscall.CLONE_NEWNS|syscall.CLONE_NEWPID|syscall.CLONE_NEWNET|syscall.CLONE_NEWIPC|syscall.CLONE_NEWUTS); err != nil {
		return err
	}
	fmt.Printf("\nall of it holds, after %v\n", time.Since(began).Round(time.Second))
	return nil
}

// workplace is where the check keeps its files. Images and what builds left for
// the next build stay there; make clean removes them.
type workplace struct {
	root string // of the repository
	dir  string
}

func newWorkplace() (*workplace, error) {
	root, err := filepath.Abs("../..")
	if err != nil {
		return nil, fmt.Errorf("find the repository: %w", err)
	}
	if _, err := os.Stat(filepath.Join(root, "docker-compose.yml")); err != nil {
		return nil, fmt.Errorf("run this in deploy/check of the repository: %w", err)
	}
	dir := os.Getenv("IMAGES_DIR")
	if dir == "" {
		dir = filepath.Join(root, ".cache", "images")
	}
	return &workplace{root: root, dir: dir}, nil
}

func (w *workplace) path(parts ...string) string {
	return filepath.Join(append([]string{w.dir}, parts...)...)
}

// check does something and prints what it is and how long it took, or returns
// what is wrong.
func check(what string, do func() (found string, err error)) error {
	began := time.Now()
	found, err := do()
	took := time.Since(began).Round(100 * time.Millisecond)
	if err != nil {
		fmt.Printf("FAILED  %s (%v)\n", what, took)
		return fmt.Errorf("%s: %w", what, err)
	}
	if found != "" {
		found = ": " + found
	}
	fmt.Printf("ok      %s%s (%v)\n", what, found, took)
	return nil
}
