// Package open opens the store that a database URL names.
package open

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
	scheme, path, _ := strings.Cut(databaseURL, "://")
	switch {
	case scheme == "postgres" || scheme == "postgresql":
		return opened(postgres.Open(ctx, databaseURL, box))
	case scheme == "sqlite" && path != "":
		return opened(sqlite.Open(ctx, path, box))
	default:
		return nil, ErrUnknownURL
	}
}

// opened returns no store where there is an error: a nil *T in an interface
// would look like one.
func opened[S store.Store](s S, err error) (store.Store, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}
