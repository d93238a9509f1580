// Package broker runs the NATS server inside the process.
package broker

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/dialnote/webhooks/pkg/config"
)

// readyWithin bounds the start, recovery of a large store included.
const readyWithin = 2 * time.Minute

// Start runs a server that keeps its streams under dataDir/nats and listens on
// no socket: only this process reaches it. It syncs its files before it
// acknowledges, unless the settings name an interval instead.
func Start(s config.Settings) (*server.Server, error) {
	interval, always := s.SyncInterval()
	srv, err := server.NewServer(&server.Options{
		ServerName:   "dialnote-standalone",
		DontListen:   true,
		JetStream:    true,
		StoreDir:     filepath.Join(s.DataDir, "nats"),
		SyncAlways:   always,
		SyncInterval: interval,
		NoLog:        true,
		NoSigs:       true,
	})
	if err != nil {
		return nil, fmt.Errorf("make embedded NATS server: %w", err)
	}
	srv.Start()
	if !srv.ReadyForConnections(readyWithin) {
		srv.Shutdown()
		return nil, errors.New("the embedded NATS server did not come up; is another program using the data folder?")
	}
	return srv, nil
}
