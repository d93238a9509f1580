package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
)

// Folder is a temporary folder that is removed however this process ends: a
// small shell waits for a pipe from here to close.
type Folder struct {
	Path string

	keeper *exec.Cmd
	pipe   io.Closer
}

// NewFolder makes a folder below the system's one for temporary files.
func NewFolder() (*Folder, error) {
	path, err := os.MkdirTemp("", "dialnote-bench-")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	//nolint:gosec,noctx // our own script; it ends with the pipe
	keeper := exec.Command("/bin/sh", "-c", `read -r _; rm -rf "$1"`, "sh", path)
	keeper.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pipe, err := keeper.StdinPipe()
	if err == nil {
		err = keeper.Start()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("watch over a folder: %w", err), os.RemoveAll(path))
	}
	return &Folder{Path: path, keeper: keeper, pipe: pipe}, nil
}

// Remove removes the folder and all in it.
func (f *Folder) Remove() error {
	if err := errors.Join(f.pipe.Close(), f.keeper.Wait()); err != nil {
		return fmt.Errorf("remove %s: %w", f.Path, err)
	}
	return nil
}
