package postgres

import (
	"context"
	"io/fs"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/dialnote/webhooks/pkg/store"
)

// migrationLockTimeout is how long a migration waits for a table that another session
// has locked, like a backup. Whatever reads or writes the table queues up behind what
// waits, so that a migration that waited for a backup's end would stop deliveries.
const migrationLockTimeout = "500ms"

// migrate brings the schema to the newest of the migrations in files. It returns a
// *store.BlockedError when another session holds a table for too long; then nothing
// has changed.
func (s *Store) migrate(ctx context.Context, files fs.FS) error {
	// The first lock is the schema's own, as several may share a database. It may be
	// held for as long as the migrations of another service take.
	err := s.Migrate(ctx, files,
		`SET LOCAL statement_timeout = 0`,
		`SET LOCAL lock_timeout = 0`,
		`SELECT pg_advisory_xact_lock(hashtextextended('dialnote migrations ' || current_schema(), 0))`,
		`SET LOCAL lock_timeout = '`+migrationLockTimeout+`'`)
	if pq.As(err, pqerror.LockNotAvailable) == nil {
		return err
	}
	return &store.BlockedError{Holders: s.lockHolders(ctx), Cause: err}
}

// lockHolders returns the sessions that hold locks on the schema's tables in
// transactions of more than two seconds, which those that record do not have, or of
// an age that may not be seen; at most ten, and none when they cannot be read.
func (s *Store) lockHolders(ctx context.Context) []store.LockHolder {
	const query = `SELECT pid, coalesce(application_name, '') AS application_name, coalesce(usename, '') AS usename,
			coalesce(query_start, '0001-01-01 00:00:00Z') AS query_start
		FROM pg_stat_activity
		WHERE usename IS NOT NULL AND coalesce(xact_start < clock_timestamp() - interval '2 seconds', true) AND pid IN (
			SELECT l.pid FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
			WHERE l.granted AND l.pid <> pg_backend_pid() AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
			AND c.relnamespace = current_schema()::regnamespace)
		ORDER BY query_start LIMIT 10`
	var holders []store.LockHolder
	if err := s.Reader.SelectContext(ctx, &holders, query); err != nil {
		return nil // the migration's own error says the rest
	}
	return holders
}
