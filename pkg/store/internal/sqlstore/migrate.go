package sqlstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/dialnote/webhooks/pkg/store"
)

// migration is one step forward. Its file's name begins with its number.
type migration struct {
	version  int
	name     string
	sql      string
	checksum string
}

// Migrate brings the database to the newest of the migrations in files. All
// steps happen in one transaction, so that a failed one leaves the database as
// it was, and under a lock that the statements in lock take, so that services
// that start together do not meet.
//
// It is written by hand because it is short, because SQLite must be locked as
// well as Postgres, and because a database that is newer than the program, or
// whose history differs from the program's, must be refused.
func (s *Store) Migrate(ctx context.Context, files fs.FS, lock ...string) error {
	migrations, err := readMigrations(files)
	if err != nil {
		return err
	}
	return s.Transact(ctx, "migrate database", func(tx *sqlx.Tx) error {
		const history = `CREATE TABLE IF NOT EXISTS schema_migrations (
			version integer NOT NULL PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied_at text NOT NULL)`
		for _, statement := range append(lock, history) {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return fmt.Errorf("lock history: %w", err)
			}
		}
		done, err := appliedMigrations(ctx, tx)
		if err != nil {
			return err
		}
		if err := checkHistory(migrations, done); err != nil {
			return err
		}
		for _, m := range migrations[len(done):] {
			if err := m.apply(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	})
}

// readMigrations returns the migrations in order: they count from 1 without a gap.
func readMigrations(files fs.FS) ([]migration, error) {
	names, err := fs.Glob(files, "*.sql") // sorted by name
	if err != nil {
		return nil, fmt.Errorf("list migrations: %w", err)
	}
	migrations := make([]migration, 0, len(names))
	for i, name := range names {
		number, _, _ := strings.Cut(name, "_")
		version, err := strconv.Atoi(number)
		if err != nil || version != i+1 {
			return nil, fmt.Errorf("migration %s: its number should be %d", name, i+1)
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("read migration %s: %w", name, err)
		}
		sum := sha256.Sum256(text)
		migrations = append(migrations, migration{version, name, string(text), hex.EncodeToString(sum[:])})
	}
	return migrations, nil
}

// appliedMigrations returns the checksums of the migrations that the database
// has had, in order.
func appliedMigrations(ctx context.Context, tx *sqlx.Tx) ([]string, error) {
	var done []string
	if err := tx.SelectContext(ctx, &done, `SELECT checksum FROM schema_migrations ORDER BY version`); err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	return done, nil
}

func checkHistory(migrations []migration, done []string) error {
	if len(done) > len(migrations) {
		return fmt.Errorf("%w (it is at version %d, this one knows %d)", store.ErrNewerDatabase, len(done), len(migrations))
	}
	for i, checksum := range done {
		if migrations[i].checksum != checksum {
			return fmt.Errorf("migration %s is not the one that the database has had: it must never change once released", migrations[i].name)
		}
	}
	return nil
}

func (m migration) apply(ctx context.Context, tx *sqlx.Tx) error {
	if _, err := tx.ExecContext(ctx, m.sql); err != nil {
		return fmt.Errorf("apply migration %s: %w", m.name, err)
	}
	const note = `INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES (?, ?, ?, ?)`
	now := time.Now().UTC().Format(time.RFC3339)
	if _, err := tx.ExecContext(ctx, tx.Rebind(note), m.version, m.name, m.checksum, now); err != nil {
		return fmt.Errorf("note migration %s: %w", m.name, err)
	}
	return nil
}
