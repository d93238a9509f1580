package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/dialnote/webhooks/pkg/store/internal/sqlstore"
)

func dialect() sqlstore.Dialect {
	return sqlstore.Dialect{
		ForUpdate:        ` FOR UPDATE`,
		LockOrganization: `SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || ' webhooks of ' || ?, 0))`,
		Time:             func(t time.Time) any { return t },
		HasTable:         `SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND relname = ?`,
		Clock:            `SELECT extract(epoch FROM clock_timestamp())::float8`,
		Engine:           `SELECT 'PostgreSQL ' || current_setting('server_version')`,
		WriteHealth:      writeHealth,
		WriteHours:       writeHours,
		Progress:         progress,
		List:             func(list []string) any { return pq.Array(list) },
		Repeated:         func(err error) bool { return pq.As(err, pqerror.UniqueViolation) != nil },
		Retryable: func(err error) bool {
			return pq.As(err, pqerror.TRSerializationFailure, pqerror.TRDeadlockDetected) != nil
		},
		Away:     away,
		Remedy:   remedy,
		TryWrite: tryWrite,
		WriteAttempts: func(ctx context.Context, conn *sqlx.Conn, _ *sqlx.Tx, rows []sqlstore.AttemptRow) error {
			return copyAttempts(ctx, conn, rows)
		},
	}
}

// tryWrite does what recording an attempt does, to no row: each statement needs the
// permissions and the locks that it needs with a row, and the last one a transaction
// id.
const tryWrite = `SET LOCAL lock_timeout = '1s';
	UPDATE webhooks SET version = version WHERE false;
	INSERT INTO attempts SELECT * FROM attempts WHERE false;
	INSERT INTO outcome_hours SELECT * FROM outcome_hours WHERE false;
	UPDATE outcome_hours SET hour = hour WHERE false;
	SELECT pg_current_xact_id()`

// OFFSET 0 keeps the planner from turning the probes into a join. The times keep
// it from probing the partitions of other days, of which there may be a dozen.
const progress = `SELECT asked.id AS delivery_id, count(*) FILTER (WHERE a.number > 0) AS attempts,
		coalesce(max(a.number) FILTER (WHERE a.result = 'succeeded'), 0) AS last_success, max(a.event_sequence) AS event_sequence
	FROM unnest($1::text[]) AS asked (id), LATERAL (
		SELECT number, result, event_sequence FROM attempts
		WHERE delivery_id = asked.id AND NOT test AND started_at >= $2 AND started_at < $3 OFFSET 0
	) AS a
	GROUP BY asked.id`

// writeHealth writes the health of all webhooks of a batch in one statement
// with one parameter.
func writeHealth(ctx context.Context, tx *sqlx.Tx, rows []sqlstore.WebhookRow) error {
	const update = `UPDATE webhooks w SET
			updated_at = n.updated_at, version = n.version, failure_count = n.failure_count, outages = n.outages,
			count_from = n.count_from, last_sent_at = n.last_sent_at, last_error = n.last_error,
			hold_until = n.hold_until, auto_disabled = n.auto_disabled, waiting = n.waiting
		FROM json_to_recordset($1) AS n (id text, updated_at timestamptz, version bigint, failure_count integer, outages json,
			count_from timestamptz, last_sent_at timestamptz, last_error json, hold_until timestamptz, auto_disabled text, waiting boolean)
		WHERE w.id = n.id`
	text, err := json.Marshal(rows)
	if err != nil {
		return fmt.Errorf("write rows: %w", err)
	}
	_, err = tx.ExecContext(ctx, update, string(text))
	return err //nolint:wrapcheck // The caller names the operation.
}

// writeHours adds to the hours of all webhooks of a batch in one statement with one
// parameter.
func writeHours(ctx context.Context, tx *sqlx.Tx, rows []sqlstore.HourRow) error {
	const add = `INSERT INTO outcome_hours AS h (webhook_id, hour, succeeded, failed, skipped, reasons, took)
		SELECT webhook_id, hour, succeeded, failed, skipped, reasons, took FROM json_to_recordset($1) AS n
			(webhook_id text, hour timestamptz, succeeded bigint, failed bigint, skipped bigint, reasons text, took text)
		ON CONFLICT (webhook_id, hour) DO UPDATE SET succeeded = h.succeeded + excluded.succeeded,
			failed = h.failed + excluded.failed, skipped = h.skipped + excluded.skipped,
			reasons = excluded.reasons, took = excluded.took`
	text, err := json.Marshal(rows)
	if err != nil {
		return fmt.Errorf("write rows: %w", err)
	}
	_, err = tx.ExecContext(ctx, add, string(text))
	return err //nolint:wrapcheck // The caller names the operation.
}
