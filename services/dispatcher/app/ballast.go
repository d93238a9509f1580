package app

import "runtime"

// ballast is how much memory a replica allocates and never touches. It takes no
// room, but the garbage collector counts it as in use and so lets the heap grow
// by as much before it works: with the few megabytes that a busy replica keeps it
// worked every 2,000 deliveries, for a sixth of all processor time; with the
// ballast that is less than half. A higher GOGC would do the same, and would
// double what a large cache takes.
const ballast = 32 << 20

// holdBallast holds the ballast until drop is called.
func holdBallast() (drop func()) {
	held := make([]byte, ballast)
	return func() { runtime.KeepAlive(held) }
}
