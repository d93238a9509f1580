package cli

import "runtime"

// ballast is by how much the heap may grow more than otherwise between two
// garbage collections.
const ballast = 48 << 20

// HoldBallast allocates memory that is never written, and so takes no physical
// memory, until drop is called. The garbage collector counts it as live and lets
// the heap grow by as much more before it collects. With the few megabytes that a
// busy replica has live, it would collect every 2,000 deliveries, for a sixth of
// all processor time; with the ballast it takes less than half of that. GOGC and
// a memory limit do not serve both a small heap and a full cache: see
// docs/performance.md.
func HoldBallast() (drop func()) {
	held := make([]byte, ballast)
	return func() { runtime.KeepAlive(held) }
}
