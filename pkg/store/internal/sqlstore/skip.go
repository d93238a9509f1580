package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/dialnote/webhooks/pkg/delivery"
)

// skipStep is how many rows one transaction of SkipHeld looks at: it keeps
// other writers waiting for some tens of milliseconds only.
const skipStep = 2000

// logPlace is a row's place in a webhook's log.
type logPlace struct {
	StartedAt Timestamp `db:"started_at"`
	ID        string    `db:"id"`
}

// SkipHeld implements store.Log.
func (s *Store) SkipHeld(ctx context.Context, organizationID, webhookID string, now time.Time, message string) (int64, error) {
	op := "skip held deliveries of webhook " + webhookID
	var skipped int64
	for _, waiting := range []delivery.Status{delivery.StatusHeld, delivery.StatusRetrying} {
		for from := (&logPlace{StartedAt: Timestamp{time.Unix(0, 0).UTC()}}); from != nil; {
			var n int64
			var to *logPlace
			err := s.Transact(ctx, op, func(tx *sqlx.Tx) (err error) {
				// The lock keeps outcomes from being recorded meanwhile.
				if _, _, err = s.lock(ctx, tx, organizationID, webhookID, 0); err != nil {
					return err
				}
				if to, err = s.stepEnd(ctx, tx, webhookID, waiting, *from); err != nil {
					return err
				}
				n, err = s.skipBetween(ctx, tx, webhookID, waiting, *from, to, now, message)
				return err
			})
			if err != nil {
				return skipped, err
			}
			skipped, from = skipped+n, to
		}
	}
	return skipped, nil
}

// stepEnd returns the last row of a step that begins after from, nil when the
// step is the last one.
func (s *Store) stepEnd(ctx context.Context, tx *sqlx.Tx, webhookID string, status delivery.Status, from logPlace) (*logPlace, error) {
	const end = `SELECT started_at, id FROM attempts
		WHERE webhook_id = ? AND status = ? AND status <> 'delivered' AND started_at >= ? AND (started_at, id) > (?, ?)
		ORDER BY started_at, id LIMIT 1 OFFSET ?`
	at := s.Dialect.Param(from.StartedAt)
	var to logPlace
	err := tx.GetContext(ctx, &to, tx.Rebind(end), webhookID, string(status), at, at, from.ID, skipStep-1)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil //nolint:nilnil // the last step has no end
	}
	if err != nil {
		return nil, fmt.Errorf("find the step's end: %w", err)
	}
	return &to, nil
}

// skipBetween adds a row to each delivery whose latest row has the status and
// lies in the step. The new row's id follows from that row's: it sorts behind
// it, and the same row is never skipped twice.
func (s *Store) skipBetween(ctx context.Context, tx *sqlx.Tx, webhookID string, status delivery.Status,
	from logPlace, to *logPlace, now time.Time, message string,
) (int64, error) {
	const insert = `INSERT INTO attempts (id, delivery_id, webhook_id, organization_id, event_id, event_type, event_sequence,
			number, test, url, started_at, ended_at, result, reason, message, status_code, retry_after_ns,
			response_header, response_body, response_truncated, remote_addr,
			resolve_ns, connect_ns, tls_ns, first_byte_ns, total_ns, status)
		SELECT id || '-skipped', delivery_id, webhook_id, organization_id, event_id, event_type, event_sequence,
			0, test, url, CASE WHEN ended_at > ? THEN ended_at ELSE ? END, CASE WHEN ended_at > ? THEN ended_at ELSE ? END,
			'skipped', '', ?, 0, 0, 'null', ?, ?, '', 0, 0, 0, 0, 0, 'skipped'
		FROM attempts a
		WHERE webhook_id = ? AND status = ? AND status <> 'delivered' AND started_at >= ? AND (started_at, id) > (?, ?)`
	at, first := s.Dialect.Param(recordable(now)), s.Dialect.Param(from.StartedAt)
	query := insert
	args := []any{at, at, at, at, storableText(message), []byte{}, false, webhookID, string(status), first, first, from.ID}
	if to != nil {
		last := s.Dialect.Param(to.StartedAt)
		query += ` AND started_at <= ? AND (started_at, id) <= (?, ?)`
		args = append(args, last, last, to.ID)
	}
	var begun []Timestamp
	if err := tx.SelectContext(ctx, &begun, tx.Rebind(query+` AND `+isLatest+` RETURNING started_at`), args...); err != nil {
		return 0, fmt.Errorf("insert skipped: %w", err)
	}
	counts := make(hourCounts)
	for _, at := range begun {
		counts.of(webhookID, at.Time).Skipped++
	}
	return int64(len(begun)), s.addHours(ctx, tx, counts)
}
