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
	serves   int // the oldest program that can go on after it, by the last migration that it knows
}

const (
	// history says which migrations the database has had.
	history = `CREATE TABLE IF NOT EXISTS schema_migrations (
		version integer NOT NULL PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied_at text NOT NULL)`

	// service says of each which older programs it still serves. Programs read it
	// that do not know the migration itself, so it never changes. A migration
	// without a row serves none.
	service = `CREATE TABLE IF NOT EXISTS schema_serves (
		version integer NOT NULL PRIMARY KEY, oldest integer NOT NULL)`
)

// Migrate brings the database to the newest of the migrations in files. All
// steps happen in one transaction, so that a failed one leaves the database as
// it was, and under a lock that the statements in lock take, so that services
// that start together do not meet. A database that is ahead is left as it is, or
// refused with ErrNewerDatabase when it does not serve this program.
//
// It uses no library because it is short, locks SQLite as well as Postgres, and
// refuses a database that is too new or whose history differs from the program's.
func (s *Store) Migrate(ctx context.Context, files fs.FS, lock ...string) error {
	migrations, err := readMigrations(files)
	if err != nil {
		return err
	}
	return s.Transact(ctx, "migrate database", func(tx *sqlx.Tx) error {
		for _, statement := range append(lock, history, service) {
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
		for _, m := range migrations[min(len(done), len(migrations)):] {
			if err := m.apply(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	})
}

// SchemaBy returns how far the database is by the migrations in files, and
// changes nothing. It returns an error, too, for a history that is not the program's.
func (s *Store) SchemaBy(ctx context.Context, files fs.FS) (store.Schema, error) {
	migrations, err := readMigrations(files)
	if err != nil {
		return store.Schema{}, err
	}
	schema := store.Schema{Program: len(migrations)}
	err = s.Transact(ctx, "look at the schema", func(tx *sqlx.Tx) error {
		done, err := s.recordedMigrations(ctx, tx)
		if err != nil {
			return err
		}
		schema.Database, schema.Serves, schema.Pending = len(done), served(done), nil
		for _, m := range migrations[min(len(done), len(migrations)):] {
			schema.Pending = append(schema.Pending, m.name)
		}
		return checkSame(migrations, done)
	})
	return schema, err
}

// recordedMigrations is appliedMigrations for a database that may have no
// history yet, or one from before schema_serves.
func (s *Store) recordedMigrations(ctx context.Context, tx *sqlx.Tx) ([]applied, error) {
	for _, table := range []string{"schema_migrations", "schema_serves"} {
		var there int
		if err := tx.GetContext(ctx, &there, tx.Rebind(s.Dialect.HasTable), table); err != nil {
			return nil, fmt.Errorf("look for %s: %w", table, err)
		}
		switch {
		case there == 0 && table == "schema_migrations":
			return nil, nil
		case there == 0:
			var done []applied
			err := tx.SelectContext(ctx, &done, `SELECT checksum, version AS serves FROM schema_migrations ORDER BY version`)
			if err != nil {
				return nil, fmt.Errorf("read history: %w", err)
			}
			return done, nil
		}
	}
	return appliedMigrations(ctx, tx)
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
		serves, err := readServes(string(text), version)
		if err != nil {
			return nil, fmt.Errorf("migration %s: %w", name, err)
		}
		migrations = append(migrations, migration{version, name, string(text), hex.EncodeToString(sum[:]), serves})
	}
	return migrations, nil
}

// readServes returns what a migration's first line says as "-- serves: 6": with
// it the database still serves programs that know no later migration than the
// sixth. Without such a line it serves none but its own.
func readServes(text string, version int) (int, error) {
	line, _, _ := strings.Cut(text, "\n")
	number, found := strings.CutPrefix(line, "-- serves: ")
	if !found {
		return version, nil
	}
	serves, err := strconv.Atoi(number)
	if err != nil || serves < 1 || serves > version {
		return 0, fmt.Errorf("%q does not name a migration up to this one", line)
	}
	return serves, nil
}

// served returns the oldest program that a database serves after these
// migrations: each of those that the program does not know must say so.
func served(done []applied) int {
	oldest, needs := len(done), 0
	for version := len(done); version > 0; version-- {
		needs = max(needs, done[version-1].Serves)
		if needs >= version {
			break
		}
		oldest = version - 1
	}
	return oldest
}

// applied is a migration that the database has had.
type applied struct {
	Checksum string `db:"checksum"`
	Serves   int    `db:"serves"`
}

// appliedMigrations returns the migrations that the database has had, in order.
func appliedMigrations(ctx context.Context, tx *sqlx.Tx) ([]applied, error) {
	const query = `SELECT m.checksum, coalesce(s.oldest, m.version) AS serves
		FROM schema_migrations m LEFT JOIN schema_serves s ON s.version = m.version ORDER BY m.version`
	var done []applied
	if err := tx.SelectContext(ctx, &done, query); err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	return done, nil
}

func checkHistory(migrations []migration, done []applied) error {
	schema := store.Schema{Database: len(done), Program: len(migrations), Serves: served(done)}
	if err := schema.Check(); err != nil {
		return err
	}
	return checkSame(migrations, done)
}

// checkSame returns an error unless the migrations that both know are the same.
func checkSame(migrations []migration, done []applied) error {
	for i, m := range migrations[:min(len(done), len(migrations))] {
		if m.checksum != done[i].Checksum {
			return fmt.Errorf("migration %s is not the one that the database has had: it must never change once released", m.name)
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
	const serves = `INSERT INTO schema_serves (version, oldest) VALUES (?, ?)`
	if _, err := tx.ExecContext(ctx, tx.Rebind(serves), m.version, m.serves); err != nil {
		return fmt.Errorf("note whom migration %s serves: %w", m.name, err)
	}
	return nil
}
