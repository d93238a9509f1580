//go:build !linux

package postgres

import "syscall"

// boundUnacknowledged does nothing: only Linux is known to have such a bound.
func boundUnacknowledged(string, string, syscall.RawConn) error { return nil }
