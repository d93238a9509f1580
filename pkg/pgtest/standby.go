package pgtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Standby restarts the server and returns another one that has what it held then,
// and serves reads as a standby. Nothing is replicated to it later.
func (c *Cluster) Standby() (*Cluster, error) {
	if err := c.Pause(); err != nil {
		return nil, err
	}
	s := &Cluster{binaries: c.binaries, options: c.options}
	err := s.copyOf(c)
	if err = errors.Join(err, c.Resume()); err == nil {
		err = s.start()
	}
	if err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// copyOf makes the folder of a standby from one of a server that has stopped.
func (c *Cluster) copyOf(primary *Cluster) error {
	if err := c.create(); err != nil {
		return err
	}
	if err := os.RemoveAll(c.data()); err != nil {
		return fmt.Errorf("remove the empty cluster: %w", err)
	}
	//nolint:gosec,noctx // Our own folders; the copy takes a second.
	for _, cmd := range []*exec.Cmd{
		exec.Command("cp", "-a", primary.data(), c.data()),
		exec.Command("touch", filepath.Join(c.data(), "standby.signal")),
	} {
		if err := c.asServer(cmd); err != nil {
			return err
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", cmd.Path, err, out)
		}
	}
	return nil
}
