// Package folder makes standalone's data folder and locks it. Two programs on one
// folder would each believe that NATS' and SQLite's files are their own, and lose
// each other's accepted events.
package folder

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// lockFile is the file in the folder that is locked. It holds the name of the
// process that has the lock, and stays when that ends.
const lockFile = "lock"

// InUseError says that another process uses a data folder.
type InUseError struct {
	Dir string
	By  string // the process, "" when it has not written its name
}

// Error names the folder and the process, and says what to do.
func (e *InUseError) Error() string {
	by := "another process"
	if e.By != "" {
		by = e.By
	}
	return fmt.Sprintf("the data folder %s is in use by %s. Two programs on one folder would lose events: "+
		"stop that one, or give this one a folder of its own with DIALNOTE_DATA_DIR", e.Dir, by)
}

// Lock is the right to use a data folder. The kernel takes it back when the
// process ends, however it ends.
type Lock struct{ file *os.File }

// Open makes a data folder unless it exists, and locks it. It returns an
// *InUseError when another process has it, and an error that names the file when
// the folder cannot be written.
func Open(dir string) (*Lock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	path := filepath.Join(dir, lockFile)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // a file of our own in the data folder
	if err != nil {
		return nil, fmt.Errorf("write into the data folder, which has to belong to this user: %w", err)
	}
	switch err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
	case errors.Is(err, syscall.EWOULDBLOCK):
		by, _ := io.ReadAll(io.LimitReader(file, 200)) // only a name for the message
		return nil, errors.Join(&InUseError{Dir: dir, By: strings.TrimSpace(string(by))}, file.Close())
	case err != nil:
		return nil, errors.Join(fmt.Errorf("lock the data folder: flock %s: %w", path, err), file.Close())
	}
	if err := sign(file); err != nil {
		return nil, errors.Join(fmt.Errorf("write into the data folder: %w", err), file.Close())
	}
	return &Lock{file: file}, nil
}

// sign writes this process' name into the lock's file.
func sign(file *os.File) error {
	host, err := os.Hostname()
	if err != nil {
		host = "this machine"
	}
	if err := file.Truncate(0); err != nil {
		return err //nolint:wrapcheck // Open says what was done
	}
	_, err = fmt.Fprintf(file, "process %d on %s\n", os.Getpid(), host)
	return err //nolint:wrapcheck // Open says what was done
}

// Close gives the folder back.
func (l *Lock) Close() error {
	if err := l.file.Close(); err != nil {
		return fmt.Errorf("unlock the data folder: %w", err)
	}
	return nil
}
