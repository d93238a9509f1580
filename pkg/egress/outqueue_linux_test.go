package egress_test

import "golang.org/x/sys/unix"

// unacknowledged returns how many bytes written to a socket its other side has
// not acknowledged yet. 0 says that all of them are in the other side's kernel.
func unacknowledged(fd int) (int, error) { return unix.IoctlGetInt(fd, unix.TIOCOUTQ) }
