package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/store"
)

// Begin implements store.Idempotency.
func (s *Store) Begin(ctx context.Context, key string, fingerprint []byte, now time.Time, expiry time.Duration) (*store.IdempotentAnswer, error) {
	const op = "claim idempotency key"
	for {
		claimed, err := s.claim(ctx, key, fingerprint, now, expiry)
		if err != nil {
			return nil, s.Explain(ctx, op, err)
		}
		if claimed {
			return nil, nil
		}
		answer, err := s.claimed(ctx, key)
		// Abandoned between the two statements: claim it now.
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		return answer, s.Explain(ctx, op, err)
	}
}

// claim takes the key when it is free or its claim has expired, and reports
// whether it did.
func (s *Store) claim(ctx context.Context, key string, fingerprint []byte, now time.Time, expiry time.Duration) (bool, error) {
	const claim = `INSERT INTO idempotency_keys (key, fingerprint, claimed_at) VALUES (?, ?, ?)
		ON CONFLICT (key) DO UPDATE SET fingerprint = excluded.fingerprint, claimed_at = excluded.claimed_at,
			status = 0, header = '{}', body = NULL, about = NULL
		WHERE idempotency_keys.claimed_at < ?`
	if fingerprint == nil {
		fingerprint = []byte{}
	}
	result, err := s.Writer.ExecContext(ctx, s.Writer.Rebind(claim), key, fingerprint,
		s.Dialect.Param(recordable(now)), s.Dialect.Param(recordable(now.Add(-expiry))))
	if err != nil {
		return false, err //nolint:wrapcheck // The caller explains.
	}
	n, err := result.RowsAffected()
	return n == 1, err //nolint:wrapcheck // The caller explains.
}

func (s *Store) claimed(ctx context.Context, key string) (*store.IdempotentAnswer, error) {
	const one = `SELECT fingerprint, status, header, body, coalesce(about, '') AS about FROM idempotency_keys WHERE key = ?`
	var row struct {
		Fingerprint []byte `db:"fingerprint"`
		Status      int    `db:"status"`
		Header      JSON   `db:"header"`
		Body        []byte `db:"body"`
		About       string `db:"about"`
	}
	// From the writer: a replica of the database may not have the claim yet.
	if err := s.Writer.GetContext(ctx, &row, s.Writer.Rebind(one), key); err != nil {
		return nil, err //nolint:wrapcheck // The caller explains.
	}
	answer := &store.IdempotentAnswer{Fingerprint: row.Fingerprint, Status: row.Status, About: row.About}
	if answer.Removed = row.Status != 0 && row.Body == nil; row.Status == 0 || answer.Removed {
		return answer, nil
	}
	if err := json.Unmarshal([]byte(row.Header), &answer.Header); err != nil {
		return nil, fmt.Errorf("read header: %w", err)
	}
	body, err := s.Box.Open(row.Body, answerPlace(key))
	if err != nil {
		return nil, fmt.Errorf("open body: %w", err)
	}
	answer.Body = body
	return answer, nil
}

// answerPlace is what a stored answer's seal is bound to.
func answerPlace(key string) []byte { return []byte("idempotency " + key) }

// Finish implements store.Idempotency.
func (s *Store) Finish(ctx context.Context, key string, answer store.IdempotentAnswer) error {
	const op = "store idempotent answer"
	const finish = `UPDATE idempotency_keys SET status = ?, header = ?, body = ?, about = nullif(?, '') WHERE key = ?`
	header, err := json.Marshal(answer.Header)
	if err != nil {
		return fmt.Errorf("%s: write header: %w", op, err)
	}
	body, err := s.Box.Seal(answer.Body, answerPlace(key))
	if err != nil {
		return fmt.Errorf("%s: seal body: %w", op, err)
	}
	result, err := s.Writer.ExecContext(ctx, s.Writer.Rebind(finish), answer.Status, string(header), body, answer.About, key)
	if err != nil {
		return s.Explain(ctx, op, err)
	}
	n, err := result.RowsAffected()
	if err == nil && n == 0 {
		err = fault.New(fault.NotFound, "idempotency-key-not-claimed", "The request took so long that its Idempotency-Key has expired.")
	}
	return s.Explain(ctx, op, err)
}

// removeAnswers removes the bodies of the answers about a webhook or an API key that
// is gone. Their keys stay taken, so that a late repetition makes no second one.
func removeAnswers(ctx context.Context, tx *sqlx.Tx, about string) error {
	_, err := tx.ExecContext(ctx, tx.Rebind(`UPDATE idempotency_keys SET body = NULL, header = '{}' WHERE about = ?`), about)
	return err //nolint:wrapcheck // Transact names the operation.
}

// Abandon implements store.Idempotency.
func (s *Store) Abandon(ctx context.Context, key string) error {
	const abandon = `DELETE FROM idempotency_keys WHERE key = ? AND status = 0`
	_, err := s.Writer.ExecContext(ctx, s.Writer.Rebind(abandon), key)
	return s.Explain(ctx, "abandon idempotency key", err)
}
