// Package sqlite is the storage port on SQLite, in pure Go: the adapter of the
// embedded default, for one machine.
package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/jmoiron/sqlx"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/dialnote/webhooks/pkg/secretbox"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/store/internal/sqlstore"
)

//go:embed migrations/*.sql
var migrations embed.FS

// readers is how many connections read while one writes, and logReaders how many
// more read logs and statistics.
const readers, logReaders = 4, 4

// Store is the storage port on SQLite.
type Store struct {
	*sqlstore.Store
}

// Open opens the database file at path, making it (but not its folder) when
// there is none, and brings the schema up to date. It returns Unavailable when
// the file cannot be opened or another process holds it for long.
func Open(ctx context.Context, path string, box secretbox.Box) (*Store, error) {
	s := &Store{&sqlstore.Store{Box: box, Dialect: dialect()}}
	if err := s.connect(path); err != nil {
		return nil, s.Explain(ctx, "open "+path, err)
	}
	files, err := fs.Sub(migrations, "migrations")
	if err == nil {
		err = whileBusy(ctx, func() error { return s.Migrate(ctx, files) })
	}
	if primary(err) == sqlite3.SQLITE_NOTADB {
		err = fmt.Errorf("%s is no SQLite database, or is damaged", path) // waiting does not help
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// whileBusy repeats do while SQLite returns at once because another process holds
// the file: SQLite does not wait, as it does otherwise, while the first of several
// processes changes the journal's mode.
func whileBusy(ctx context.Context, do func() error) error {
	const patience, pause = 5 * time.Second, 10 * time.Millisecond
	for began := time.Now(); ; {
		err := do()
		if err == nil || !busy(err) || time.Since(began) > patience {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
	}
}

// Attach opens the database file at path, and leaves the schema as it is; see
// Schema. It returns store.ErrNoDatabase when there is no such file.
func Attach(ctx context.Context, path string, box secretbox.Box) (*Store, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = store.ErrNoDatabase
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	s := &Store{&sqlstore.Store{Box: box, Dialect: dialect()}}
	if err := s.connect(path); err != nil {
		return nil, s.Explain(ctx, "open "+path, err)
	}
	return s, nil
}

// Schema implements store.Operators.
func (s *Store) Schema(ctx context.Context) (store.Schema, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return store.Schema{}, fmt.Errorf("open migrations: %w", err)
	}
	return s.SchemaBy(ctx, files)
}

func (s *Store) connect(path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("find file: %w", err)
	}
	// SQLite would make the file readable by every user of the machine; its log
	// holds what customers' servers answered.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // The operator's own choice of path.
	if err != nil {
		return fmt.Errorf("open file: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("close file: %w", err)
	}
	// One writer: SQLite has only one anyway, and waiting in Go is fair and
	// cheap where SQLite's own waiting is neither.
	if s.Writer, err = pool(path, 1, url.Values{"_txlock": {"immediate"}}); err != nil {
		return err
	}
	if s.Reader, err = pool(path, readers, url.Values{"_pragma": {"query_only(1)"}}); err != nil {
		return err
	}
	s.LogReader, err = pool(path, logReaders, url.Values{"_pragma": {"query_only(1)"}})
	return err
}

// pool returns a pool of connections. None is opened yet.
func pool(path string, size int, options url.Values) (*sqlx.DB, error) {
	options["_pragma"] = append([]string{
		"busy_timeout(5000)", // for other processes
		"journal_mode(WAL)",
		"synchronous(FULL)", // a power cut loses nothing that was committed
		"foreign_keys(1)",
		"journal_size_limit(16777216)", // bytes to which SQLite cuts the write-ahead log when it has written all of it back
	}, options["_pragma"]...)
	options.Set("_dqs", "0")
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: options.Encode()}
	connector, err := sqlite.NewConnector(dsn.String())
	if err != nil {
		return nil, fmt.Errorf("read path: %w", err)
	}
	db := sqlx.NewDb(sql.OpenDB(connector), "sqlite3") // sqlx's name for the parameter style ?
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	return db, nil
}

// Prune implements store.Maintenance, in steps of some milliseconds.
func (s *Store) Prune(ctx context.Context, now time.Time, keep store.Retention) error {
	before := now.Add(-keep.Log)
	return errors.Join(
		s.DeleteInSteps(ctx, `DELETE FROM attempts WHERE rowid IN (
			SELECT rowid FROM attempts WHERE started_at < ? LIMIT ?)`, before.UnixMicro(), sqlstore.PruneStep),
		s.PruneRemoved(ctx, `DELETE FROM attempts WHERE rowid IN (
			SELECT rowid FROM attempts WHERE webhook_id = ? LIMIT ?)`),
		s.PruneIdempotency(ctx, before),
		s.PruneRecoveries(ctx, before),
		s.PruneWaiting(ctx, before),
		s.PruneHours(ctx, before),
		s.PruneAccess(ctx, now, now.Add(-keep.Audit)),
		s.PruneAudit(ctx, now.Add(-keep.Audit)),
	)
}
