package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/dialnote/webhooks/pkg/store/internal/sqlstore"
)

// dialect needs no locks but the transaction's own: it begins with BEGIN
// IMMEDIATE, and then it is alone.
func dialect() sqlstore.Dialect {
	d := sqlstore.Dialect{
		Time:      func(t time.Time) any { return t.UnixMicro() },
		HasTable:  `SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?`,
		Clock:     `SELECT unixepoch('now', 'subsec')`,
		Engine:    `SELECT 'SQLite ' || sqlite_version()`,
		Repeated:  repeated,
		Retryable: func(error) bool { return false }, // busy_timeout has waited long enough
		Away:      away,
		Progress:  progress,
		List:      list,
	}
	d.WriteHealth = func(ctx context.Context, tx *sqlx.Tx, rows []sqlstore.WebhookRow) error {
		return writeHealth(ctx, tx, d, rows)
	}
	d.WriteHours = func(ctx context.Context, tx *sqlx.Tx, rows []sqlstore.HourRow) error {
		return writeHours(ctx, tx, d, rows)
	}
	d.WriteAttempts = func(ctx context.Context, _ *sqlx.Conn, tx *sqlx.Tx, rows []sqlstore.AttemptRow) error {
		return insertAttempts(ctx, tx, d, rows)
	}
	return d
}

// CROSS JOIN keeps the order of the loops.
const progress = `SELECT a.delivery_id, count(*) FILTER (WHERE a.number > 0) AS attempts,
		coalesce(max(a.number) FILTER (WHERE a.result = 'succeeded'), 0) AS last_success, max(a.event_sequence) AS event_sequence
	FROM json_each(?) AS asked CROSS JOIN attempts AS a ON a.delivery_id = asked.value
	WHERE NOT a.test AND a.started_at >= ? AND a.started_at < ?
	GROUP BY a.delivery_id`

// list returns a list of texts as json_each reads it.
func list(texts []string) any {
	text, _ := json.Marshal(texts) // it does not fail for texts
	return string(text)
}

// primary returns SQLite's result code without the extension, 0 for an error
// that is not SQLite's.
func primary(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() & 0xff
	}
	return 0
}

// repeated reports whether a row is already there.
func repeated(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && (e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY || e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE)
}

// busy reports whether another process holds the database.
func busy(err error) bool {
	code := primary(err)
	return code == sqlite3.SQLITE_BUSY || code == sqlite3.SQLITE_LOCKED
}

// away reports whether the file cannot be reached, read or written: every error but
// those that a row of ours has caused.
func away(err error) bool {
	code := primary(err)
	switch code {
	case 0: // not SQLite's
		_, noFile := errors.AsType[*fs.PathError](err)
		return noFile
	case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE:
		return false
	}
	return true
}

func writeHealth(ctx context.Context, tx *sqlx.Tx, d sqlstore.Dialect, rows []sqlstore.WebhookRow) error {
	const update = `UPDATE webhooks SET updated_at = ?, version = ?, failure_count = ?, outages = ?, count_from = ?,
		last_sent_at = ?, last_error = ?, hold_until = ?, auto_disabled = ?, waiting = ? WHERE id = ?`
	stmt, err := tx.PrepareContext(ctx, update)
	if err != nil {
		return err //nolint:wrapcheck // The caller names the operation.
	}
	defer stmt.Close() //nolint:errcheck // The transaction's end decides.
	for _, row := range rows {
		_, err := stmt.ExecContext(ctx, d.Param(row.UpdatedAt), row.Version, row.FailureCount, row.Outages.Param(),
			d.Param(row.CountFrom), d.Param(row.LastSentAt), row.LastError.Param(), d.Param(row.HoldUntil), row.AutoDisabled, row.Waiting, row.ID)
		if err != nil {
			return err //nolint:wrapcheck // The caller names the operation.
		}
	}
	return nil
}

func writeHours(ctx context.Context, tx *sqlx.Tx, d sqlstore.Dialect, rows []sqlstore.HourRow) error {
	const add = `INSERT INTO outcome_hours (webhook_id, hour, succeeded, failed, skipped, reasons, took) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (webhook_id, hour) DO UPDATE SET succeeded = outcome_hours.succeeded + excluded.succeeded,
			failed = outcome_hours.failed + excluded.failed, skipped = outcome_hours.skipped + excluded.skipped,
			reasons = excluded.reasons, took = excluded.took`
	stmt, err := tx.PrepareContext(ctx, add)
	if err != nil {
		return err //nolint:wrapcheck // The caller names the operation.
	}
	defer stmt.Close() //nolint:errcheck // The transaction's end decides.
	for _, row := range rows {
		_, err := stmt.ExecContext(ctx, row.WebhookID, d.Param(row.Hour), row.Succeeded, row.Failed, row.Skipped, row.Reasons.String(), row.Took.String())
		if err != nil {
			return err //nolint:wrapcheck // The caller names the operation.
		}
	}
	return nil
}

// insertAttempts writes a batch with one prepared statement. Nothing travels,
// so a statement with many rows would only be longer to parse.
func insertAttempts(ctx context.Context, tx *sqlx.Tx, d sqlstore.Dialect, rows []sqlstore.AttemptRow) error {
	insert := `INSERT INTO attempts (` + sqlstore.AttemptColumns + `)
		VALUES (?` + strings.Repeat(`, ?`, sqlstore.AttemptColumnCount-1) + `)`
	stmt, err := tx.PrepareContext(ctx, insert)
	if err != nil {
		return err //nolint:wrapcheck // The caller names the operation.
	}
	defer stmt.Close() //nolint:errcheck // The transaction's end decides.
	// The driver starts a goroutine to watch the context of each statement. Writing
	// a row takes no longer than that, and the transaction ends between two rows.
	unwatched := context.WithoutCancel(ctx)
	params := make([]any, 0, sqlstore.AttemptColumnCount)
	for i := range rows {
		params = d.Params(params[:0], &rows[i])
		if _, err := stmt.ExecContext(unwatched, params...); err != nil {
			return err //nolint:wrapcheck // The caller names the operation.
		}
	}
	return nil
}
