// Package broker runs the NATS server inside the process.
package broker

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/dialnote/webhooks/pkg/config"
)

// readyWithin bounds the start, recovery of a large store included.
const readyWithin = 2 * time.Minute

// Start runs a server that keeps its streams under the data folder. It syncs its
// files before it acknowledges, unless the settings name an interval instead.
// addr is where it listens, or else a free port when that is taken; with no addr
// it listens on no socket, and only this process reaches it.
//
// What the server warns of goes to log. It returns an error with the server's own
// reason when the server cannot start: files that it may not write, or too little
// room on the disk.
func Start(s config.Settings, addr string, log *slog.Logger) (*server.Server, error) {
	interval, always := s.SyncInterval()
	host, port, err := listenAt(addr)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(s.DataDir, "nats")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the embedded NATS server: %w", err)
	}
	room, err := measure(dir)
	if err != nil {
		return nil, err
	}
	if room.used+room.free < leastStore {
		log.Warn("little room for events: when the disk is full, none is accepted; make room, or move the data folder",
			slog.String("folder", dir), slog.Int64("used", room.used), slog.Int64("free", room.free))
	}
	srv, err := server.NewServer(&server.Options{
		ServerName:   "dialnote-standalone",
		DontListen:   addr == "",
		Host:         host,
		Port:         port,
		JetStream:    true,
		StoreDir:     dir,
		SyncAlways:   always,
		SyncInterval: interval,

		JetStreamMaxStore: room.limit(),
		NoSigs:            true,
	})
	if err != nil {
		return nil, fmt.Errorf("make embedded NATS server: %w", err)
	}
	says := &logger{log: log}
	srv.SetLoggerV2(says, false, false, false)
	srv.Start() // returns when the streams are restored, or after a fatal error
	if err := says.fatal(); err != nil {
		srv.Shutdown()
		return nil, fmt.Errorf("start the embedded NATS server on %s: %w", dir, err)
	}
	if !srv.ReadyForConnections(readyWithin) {
		srv.Shutdown()
		return nil, fmt.Errorf("the embedded NATS server accepts no connection after %s", readyWithin)
	}
	return srv, nil
}

// listenAt returns where to listen for addr.
func listenAt(addr string) (host string, port int, err error) {
	if addr == "" {
		return "", 0, nil
	}
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, fmt.Errorf("address of the embedded NATS server: %w", err)
	}
	port, err = strconv.Atoi(text)
	if err != nil {
		return "", 0, fmt.Errorf("address of the embedded NATS server: %w", err)
	}
	taken, err := net.Listen("tcp", addr) //nolint:noctx // a look at a port of this machine
	if err != nil || port == 0 {
		return host, server.RANDOM_PORT, nil
	}
	if err := taken.Close(); err != nil {
		return "", 0, fmt.Errorf("look at %s: %w", addr, err)
	}
	return host, port, nil
}
