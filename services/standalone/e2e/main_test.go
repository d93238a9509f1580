// Package e2e_test runs the programs as an operator does: real processes on
// loopback, a real nats-server, a real Postgres. They are killed, stopped and
// started in every order, and what a receiver got is then compared with what was
// promised.
//
// A wait here ends with an event: a line in a log, a request that arrives, an
// answer. The deadlines only bound a failure.
package e2e_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// bin is the folder of the built programs.
var bin string

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	if err := sideBySide(); err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "e2e")
	if err != nil {
		return 0, fmt.Errorf("make a folder for the programs: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := build(dir); err != nil {
		return 0, err
	}
	bin = dir
	return m.Run(), nil
}

// sideBySide runs four tests at once unless the command line says how many:
// most of their time goes by while the broker waits for what a killed replica
// held, so more of them fit than there are cores.
func sideBySide() error {
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "test.parallel" })
	if chosen {
		return nil
	}
	if err := flag.Set("test.parallel", "4"); err != nil {
		return fmt.Errorf("run tests side by side: %w", err)
	}
	return nil
}

// build builds the programs once for all tests: without the race detector, as
// they are shipped.
func build(dir string) error {
	const services = "github.com/dialnote/webhooks/services/"
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", dir+string(filepath.Separator),
		services+"config-api/cmd/config-api", services+"dispatcher/cmd/dispatcher",
		services+"standalone/cmd/standalone", services+"hooklab/cmd/hooklab", "github.com/nats-io/nats-server/v2")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the programs: %w\n%s", err, out)
	}
	return nil
}
