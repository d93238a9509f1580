package broker

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"

	"github.com/nats-io/nats-server/v2/server"
)

// leastStore is the lowest limit in bytes that standalone sets for what its NATS server
// stores. The streams reserve 1.6 GiB of it, however little they hold, and the server
// would make none of them with less.
const leastStore = 2 << 30

// space is the room for the streams, in bytes.
type space struct {
	used int64 // by what is stored already
	free int64 // on the file system, for this user
}

// limit returns how much the server may store: what it has, and nine tenths of what is
// free. The rest is for the database beside it: a full disk would stop both. By
// itself the server takes three quarters of what is free when it starts, and so less
// at each start.
func (s space) limit() int64 { return max(leastStore, s.used+s.free/10*9) }

// BesideIt returns how many bytes the database beside a running server may take: half of
// what the server leaves of the disk.
func BesideIt(srv *server.Server) int64 { return srv.JetStreamConfig().MaxStore / 9 / 2 }

// measure returns the room for a folder that exists.
func measure(dir string) (space, error) {
	var s space
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
			return nil
		}
		if err != nil {
			return fmt.Errorf("look at %s: %w", path, err)
		}
		s.used += info.Size()
		return nil
	})
	if err != nil {
		return s, fmt.Errorf("measure %s: %w", dir, err)
	}
	var disk syscall.Statfs_t
	if err := syscall.Statfs(dir, &disk); err != nil {
		return s, fmt.Errorf("measure the disk of %s: %w", dir, err)
	}
	s.free = int64(disk.Bavail) * int64(disk.Bsize) //nolint:gosec,unconvert // their types differ between systems
	return s, nil
}
