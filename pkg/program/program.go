// Package program is what every service's main shares: the version, and the
// two signals of a stop.
package program

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// version is the version of this source: the next release's, by semantic
// versioning.
const version = "0.1.0"

// Version returns the version that receivers see in User-Agent.
func Version() string { return version }

// Signals returns two contexts: the first ends at the first SIGTERM or
// interrupt, the second at the second one. stop ends both.
func Signals() (first, second context.Context, stop context.CancelFunc) {
	first, cancelFirst := context.WithCancel(context.Background())
	second, cancelSecond := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	go func() {
		defer cancelSecond()
		defer cancelFirst()
		select {
		case <-signals:
		case <-second.Done():
			return
		}
		cancelFirst()
		select {
		case <-signals:
		case <-second.Done():
		}
	}()
	return first, second, func() {
		signal.Stop(signals)
		cancelFirst()
		cancelSecond()
	}
}
