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

	// Refs returns at most limit webhooks of a selection, in the order of their
	// organizations and ids, from the one after the given one on, the zero Ref for the
	// first. It reads nothing of them that is encrypted, so that one that cannot be
	// decrypted does not keep the others from being found.
	Refs(ctx context.Context, of Selection, after Ref, limit int) ([]Ref, error)

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

// Ref names a webhook.
type Ref struct {
	OrganizationID string `db:"organization_id"`
	ID             string `db:"id"`
}

// Selection says which webhooks are meant.
type Selection struct {
	OrganizationID string // "" for those of all
	AutoDisabled   bool   // only those that were disabled automatically
}
