package store

import (
	"context"
	"time"
)

// Operators serves the operator's commands.
type Operators interface {
	// Organizations returns at most limit organizations that have webhooks, in the
	// order of their ids, from the one after the given id on, "" for the first.
	Organizations(ctx context.Context, after string, limit int) ([]string, error)

	// Schema returns how far the database's schema is. It returns an error for one
	// whose migrations are not this program's.
	Schema(ctx context.Context) (Schema, error)

	// Installation returns the id of the installation that this database is of. The
	// first call makes it; every later one, of any process, returns the same.
	Installation(ctx context.Context) (string, error)

	// Clock returns the time by the database's clock.
	Clock(ctx context.Context) (time.Time, error)

	// Engine returns what the database is, with its version.
	Engine(ctx context.Context) (string, error)
}
