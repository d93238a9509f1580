package store

import (
	"errors"
	"fmt"
)

// ErrOlderDatabase is an error on opening for a command that may not change the
// schema, when the database lacks some of this program's migrations.
var ErrOlderDatabase = errors.New(`the database lacks migrations of this version: start the service, or run "config-api migrate"`)

// ErrNoDatabase is an adapter's error on attaching when there is no database yet,
// and opening would make it: SQLite's file.
var ErrNoDatabase = errors.New("there is no such file")

// Schema is how far a database's schema is, by the numbers of its migrations.
type Schema struct {
	Database int // the last migration that the database has had, 0 for an empty one
	Program  int // the last one that this program knows

	// Serves is the oldest program that the database serves, by the last migration
	// that such a program knows. It is Database unless later migrations say that
	// older programs can go on.
	Serves int

	Pending []string // the migrations that the database lacks, in order
}

// Check returns nil when this program may work with the database, after migrating
// it if it is older; ErrNewerDatabase, with the versions, when newer programs have
// changed the schema so that it no longer serves this one.
func (s Schema) Check() error {
	if s.Program < s.Serves {
		return fmt.Errorf("%w (it is at version %d and serves programs from %d on, this one knows %d)", ErrNewerDatabase, s.Database, s.Serves, s.Program)
	}
	return nil
}
