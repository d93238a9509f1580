package store

import "time"

// Pool counts an adapter's connections to the database.
type Pool struct {
	InUse, Idle int
	Limit       int           // how many there may be at once
	Waits       int64         // how often a caller had to wait for one since the start
	Waited      time.Duration // how long callers waited, in all
}

// Pooled shows an adapter's connections.
type Pooled interface {
	// Pool returns the current counts.
	Pool() Pool
}
