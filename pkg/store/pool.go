package store

import "time"

// Pool is how an adapter's connections to the database stand.
type Pool struct {
	InUse, Idle int
	Limit       int           // how many there may be at once
	Waits       int64         // how often somebody had to wait for one since the start
	Waited      time.Duration // how long, in all
}

// Pooled shows an adapter's connections.
type Pooled interface {
	// Pool returns how the connections stand now.
	Pool() Pool
}
