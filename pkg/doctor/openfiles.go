//go:build unix

package doctor

import "syscall"

// openFiles returns how many files this process may have open, 0 when that is
// not known.
func openFiles() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return limit.Cur
}
