package pgtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/lib/pq"
)

// ErrNotInstalled says that the machine has no Postgres server.
var ErrNotInstalled = errors.New("no Postgres server on this machine: install one (Debian: apt-get install postgresql), " +
	"or name a running one in " + serverVariable)

// findBinaries returns the folder that holds initdb and postgres.
func findBinaries() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		// A link in PATH often points at a wrapper's or version's own folder.
		if path, err = filepath.EvalSymlinks(path); err == nil && holdsServer(filepath.Dir(path)) {
			return filepath.Dir(path), nil
		}
	}
	// Debian keeps the server out of PATH, one folder for each version.
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", fmt.Errorf("look for postgres: %w", err)
	}
	slices.SortFunc(found, func(a, b string) int { return version(b) - version(a) })
	for _, dir := range found {
		if holdsServer(dir) {
			return dir, nil
		}
	}
	return "", ErrNotInstalled
}

func holdsServer(dir string) bool {
	for _, name := range []string{"initdb", "postgres"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return false
		}
	}
	return true
}

func version(dir string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir))) // not a number: last
	return n
}

// socketRoot returns a folder whose name is short enough for a Unix socket
// below it (107 bytes in all).
func socketRoot() string {
	if dir := os.TempDir(); len(dir) < 60 {
		return dir
	}
	return "/tmp"
}

// serverUser returns the user to run the server as, or nil for our own. The
// server refuses to run as root.
func serverUser() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
		gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(errUID, errGID); err != nil {
			return nil, fmt.Errorf("read ids of user %s: %w", name, err)
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("the server does not run as root, and there is no user postgres or nobody")
}

// giveToServer makes dir the server's own.
func giveToServer(dir string) error {
	as, err := serverUser()
	if err != nil || as == nil {
		return err
	}
	if err := os.Chown(dir, int(as.Uid), int(as.Gid)); err != nil {
		return fmt.Errorf("give %s to the server's user: %w", dir, err)
	}
	return nil
}

// asServer lets cmd run as the server's user, in its folder, and in a process
// group of its own: an interrupt typed at the terminal must reach the owner
// only, which then ends it in order.
func (c *Cluster) asServer(cmd *exec.Cmd) error {
	as, err := serverUser()
	if err != nil {
		return err
	}
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC", "HOME="+c.dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as, Setpgid: true}
	return nil
}

// awaitReady returns when the server answers, or an error when it has not
// within startTimeout or has ended.
func (c *Cluster) awaitReady() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	connector, err := pq.NewConnector(c.DSN())
	if err != nil {
		return fmt.Errorf("read DSN: %w", err)
	}
	db := sql.OpenDB(connector)
	defer func() { _ = db.Close() }() // it only asked
	// The server does not report that it is ready, so it is polled.
	ask := time.NewTicker(10 * time.Millisecond)
	defer ask.Stop()
	for {
		err := db.PingContext(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ask.C:
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w", err)
		}
	}
}
