// Package storeurl opens the store that a database URL names.
package storeurl

import (
	"context"
	"errors"
	"strings"

	"github.com/dialnote/webhooks/pkg/secretbox"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/store/postgres"
	"github.com/dialnote/webhooks/pkg/store/sqlite"
)

// ErrUnknownURL says that a database URL names neither database.
var ErrUnknownURL = errors.New("the database URL must begin with postgres:// or sqlite://")

// Open opens the store at databaseURL, postgres://… or sqlite://path (relative
// to the working folder, or absolute after a third slash), and brings its
// schema up to date. It returns Unavailable when the database does not answer
// within seconds.
func Open(ctx context.Context, databaseURL string, box secretbox.Box) (store.Store, error) {
	switch scheme, path := split(databaseURL); scheme {
	case "postgres":
		return opened(postgres.Open(ctx, databaseURL, box))
	case "sqlite":
		return opened(sqlite.Open(ctx, path, box))
	default:
		return nil, ErrUnknownURL
	}
}

// Attach opens the store at databaseURL and leaves its schema as it is: older or
// newer than this program's, or empty. A SQLite file must be there.
func Attach(ctx context.Context, databaseURL string, box secretbox.Box) (store.Store, error) {
	switch scheme, path := split(databaseURL); scheme {
	case "postgres":
		return opened(postgres.Attach(ctx, databaseURL, box))
	case "sqlite":
		return opened(sqlite.Attach(ctx, path, box))
	default:
		return nil, ErrUnknownURL
	}
}

// Current is Attach for a command that needs the current schema and must not
// change it. It returns store.ErrOlderDatabase when the schema lacks a migration,
// and store.ErrNewerDatabase when it no longer serves this program.
func Current(ctx context.Context, databaseURL string, box secretbox.Box) (store.Store, error) {
	s, err := Attach(ctx, databaseURL, box)
	if err != nil {
		return nil, err
	}
	schema, err := s.Schema(ctx)
	if err == nil {
		err = schema.Check()
	}
	if err == nil && len(schema.Pending) > 0 {
		err = store.ErrOlderDatabase
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// split returns which database a URL names, "" for neither, and where a file is.
func split(databaseURL string) (scheme, path string) {
	scheme, path, _ = strings.Cut(databaseURL, "://")
	switch {
	case scheme == "postgres" || scheme == "postgresql":
		return "postgres", path
	case scheme == "sqlite" && path != "":
		return scheme, path
	}
	return "", ""
}

// opened returns no store where there is an error: a nil *T in an interface
// would look like one.
func opened[S store.Store](s S, err error) (store.Store, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}
