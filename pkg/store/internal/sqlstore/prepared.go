package sqlstore

import (
	"context"
	"sync/atomic"

	"github.com/jmoiron/sqlx"
)

// prepared is a query that each connection parses once, and not at each call:
// on Postgres that saves a round trip and the planning. It is for frequent
// queries. A migration must not change the types of its columns, because open
// connections would keep the old ones. The zero value is ready.
type prepared struct{ statement atomic.Pointer[sqlx.Stmt] }

// on returns the statement of a query, which must be the same at each call. The
// database closes it.
func (p *prepared) on(ctx context.Context, db *sqlx.DB, query string) (*sqlx.Stmt, error) {
	if made := p.statement.Load(); made != nil {
		return made, nil
	}
	made, err := db.PreparexContext(ctx, db.Rebind(query)) // without a lock: ctx must be able to end it
	if err != nil {
		return nil, err //nolint:wrapcheck // Explain names the operation.
	}
	if p.statement.CompareAndSwap(nil, made) {
		return made, nil
	}
	_ = made.Close() //nolint:sqlclosecheck // another goroutine was first; the one that is kept lives as long as the database
	return p.statement.Load(), nil
}
