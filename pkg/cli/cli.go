// Package cli is what every service's main shares: the version, and the
// two signals of a stop.
package cli

import (
	"cmp"
	"context"
	"os"
	"os/signal"
	"syscall"
)

// What the linker may set, with -X, when a release is built; see the Makefile
// and deploy/docker/Dockerfile.
//
//nolint:gochecknoglobals // the linker sets variables only; nothing else does
var (
	// version is the version of this source: the next release's, by semantic
	// versioning.
	version = "0.1.0"

	// commit is the commit that was built.
	commit = ""
)

// Version returns the version that receivers see in User-Agent.
func Version() string { return version }

// Commit returns the commit that was built, "unknown" when the linker did not set
// it.
func Commit() string { return cmp.Or(commit, "unknown") }

// build returns the version with the commit, if it is known.
func build() string {
	if commit == "" {
		return version
	}
	return version + " (" + commit + ")"
}

// Signals returns two contexts. ctx ends at the first SIGTERM or interrupt, which
// asks the program to finish its work and stop. hardStop ends at the second one,
// which asks it to stop at once. stop ends both.
func Signals() (ctx, hardStop context.Context, stop context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	hardStop, cancelHard := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	go func() {
		defer cancelHard()
		defer cancel()
		select {
		case <-signals:
		case <-hardStop.Done():
			return
		}
		cancel()
		select {
		case <-signals:
		case <-hardStop.Done():
		}
	}()
	return ctx, hardStop, func() {
		signal.Stop(signals)
		cancel()
		cancelHard()
	}
}
