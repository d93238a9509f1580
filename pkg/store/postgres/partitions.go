package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

const (
	day = 24 * time.Hour

	// daysAhead is how many days' partitions exist before they begin: enough
	// for maintenance to fail over a weekend.
	daysAhead = 3

	partitionPrefix = "attempts_"
	partitionLayout = partitionPrefix + "20060102"

	// defaultPartition catches what belongs to no other.
	defaultPartition = partitionPrefix + "default"
)

// EnsurePartitions makes the log's partitions (one for each day in UTC) from
// the day before now to three days after it, where they do not exist yet.
// Several replicas may call it at once.
func (s *Store) EnsurePartitions(ctx context.Context, now time.Time) error {
	have, err := s.partitions(ctx)
	if err != nil {
		return err
	}
	first := now.UTC().Truncate(day).Add(-day)
	for i := range daysAhead + 2 {
		start := first.Add(time.Duration(i) * day)
		if slices.Contains(have, start.Format(partitionLayout)) {
			continue
		}
		err := s.Transact(ctx, "make partition "+start.Format(partitionLayout), func(tx *sqlx.Tx) error {
			return makePartition(ctx, tx, start)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// partitions returns the names of the log's partitions by day, oldest first.
func (s *Store) partitions(ctx context.Context) ([]string, error) {
	const names = `SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = 'attempts'::regclass AND c.relname <> $1 ORDER BY c.relname`
	var have []string
	err := s.Reader.SelectContext(ctx, &have, names, defaultPartition)
	return have, s.Explain(ctx, "list partitions", err)
}

// makePartition makes the partition of the day that begins at start, and moves
// into it what the default partition has caught of that day. Attaching a table
// that is ready lets attempts be recorded meanwhile; creating it as a
// partition would lock the whole log.
func makePartition(ctx context.Context, tx *sqlx.Tx, start time.Time) error {
	name := pq.QuoteIdentifier(start.Format(partitionLayout))
	from, to := pq.QuoteLiteral(start.Format(time.RFC3339)), pq.QuoteLiteral(start.Add(day).Format(time.RFC3339))
	const lock = `SELECT pg_advisory_xact_lock(hashtextextended('dialnote partitions ' || current_schema(), 0))`
	if _, err := tx.ExecContext(ctx, lock); err != nil {
		return err //nolint:wrapcheck // The caller names the operation.
	}
	var there bool // made by another replica, while we waited for the lock
	if err := tx.GetContext(ctx, &there, `SELECT to_regclass($1) IS NOT NULL`, name); err != nil || there {
		return err //nolint:wrapcheck // The caller names the operation.
	}
	for _, statement := range []string{
		`SET LOCAL lock_timeout = '2s'`, // inserts queue up behind a lock that is waited for
		`CREATE TABLE ` + name + ` (LIKE attempts INCLUDING ALL)`,
		`LOCK TABLE attempts IN SHARE UPDATE EXCLUSIVE MODE`,
		`LOCK TABLE ` + defaultPartition + ` IN ACCESS EXCLUSIVE MODE`,
		`WITH moved AS (DELETE FROM ` + defaultPartition + ` WHERE started_at >= ` + from + ` AND started_at < ` + to + ` RETURNING *)
			INSERT INTO ` + name + ` SELECT * FROM moved`,
		`ALTER TABLE attempts ATTACH PARTITION ` + name + ` FOR VALUES FROM (` + from + `) TO (` + to + `)`,
	} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err //nolint:wrapcheck // The caller names the operation.
		}
	}
	return nil
}

// dropPartition removes the log of one day. Inserts queue behind its lock, so it
// waits for the lock only briefly, and otherwise leaves the partition to the next
// call.
func (s *Store) dropPartition(ctx context.Context, name string) error {
	return s.Transact(ctx, "drop partition "+name, func(tx *sqlx.Tx) error {
		for _, statement := range []string{`SET LOCAL lock_timeout = '2s'`, `DROP TABLE IF EXISTS ` + pq.QuoteIdentifier(name)} {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return fmt.Errorf("%s: %w", statement, err)
			}
		}
		return nil
	})
}
