package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/dialnote/webhooks/pkg/access"
	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/store"
)

// useEvery is how often the use of an API key is noted at most.
const useEvery = time.Minute

// keyRow is a row of api_keys without its digest.
type keyRow struct {
	ID             string    `db:"id"`
	OrganizationID string    `db:"organization_id"`
	Name           string    `db:"name"`
	LastCharacters string    `db:"last_characters"`
	CreatedAt      Timestamp `db:"created_at"`
	LastUsedAt     Timestamp `db:"last_used_at"`
	RevokedAt      Timestamp `db:"revoked_at"`
}

const keyColumns = `id, organization_id, name, last_characters, created_at, last_used_at, revoked_at`

func (row keyRow) key() access.Key {
	return access.Key{
		ID: row.ID, OrganizationID: row.OrganizationID, Name: row.Name, LastCharacters: row.LastCharacters,
		CreatedAt: row.CreatedAt.Time, LastUsedAt: row.LastUsedAt.Time, RevokedAt: row.RevokedAt.Time,
	}
}

func keyNotFound() error {
	return fault.New(fault.NotFound, "api-key-not-found", "There is no such API key.")
}

// CreateKey implements store.Access.
func (s *Store) CreateKey(ctx context.Context, by audit.Actor, k access.Key, digest access.Digest, limit int) error {
	const count = `SELECT count(*) FROM api_keys WHERE organization_id = ? AND revoked_at IS NULL`
	const insert = `INSERT INTO api_keys (` + keyColumns + `, digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`
	d := s.Dialect
	return s.Transact(ctx, "insert API key "+k.ID, func(tx *sqlx.Tx) error {
		if err := s.lockOrganization(ctx, tx, k.OrganizationID); err != nil {
			return err
		}
		var have int
		if err := tx.GetContext(ctx, &have, tx.Rebind(count), k.OrganizationID); err != nil {
			return fmt.Errorf("count API keys: %w", err)
		}
		if have >= limit {
			return fault.Newf(fault.Conflict, "api-key-limit-reached", "The organization has %d API keys, the most it can have. Revoke one first.", have)
		}
		_, err := tx.ExecContext(ctx, tx.Rebind(insert), k.ID, k.OrganizationID, k.Name, k.LastCharacters,
			d.Param(recordable(k.CreatedAt)), d.Param(recordable(k.LastUsedAt)), d.Param(recordable(k.RevokedAt)), digest[:])
		if err != nil {
			return err //nolint:wrapcheck // Transact names the operation.
		}
		return s.addEntries(ctx, tx, audit.KeyCreated(by, k))
	})
}

// lockOrganization keeps other transactions from adding to what an organization
// has, until this one ends.
func (s *Store) lockOrganization(ctx context.Context, tx *sqlx.Tx, organizationID string) error {
	if s.Dialect.LockOrganization == "" {
		return nil
	}
	if _, err := tx.ExecContext(ctx, tx.Rebind(s.Dialect.LockOrganization), organizationID); err != nil {
		return fmt.Errorf("lock organization: %w", err)
	}
	return nil
}

// ListKeys implements store.Access. A cursor is the last id of its page.
func (s *Store) ListKeys(ctx context.Context, organizationID string, page store.Page) ([]access.Key, string, error) {
	const list = `SELECT ` + keyColumns + ` FROM api_keys
		WHERE organization_id = ? AND revoked_at IS NULL AND id < ? ORDER BY id DESC LIMIT ?`
	before, err := parseCursor(page.After, "key_")
	if err != nil {
		return nil, "", err
	}
	limit := max(page.Limit, 1)
	var rows []keyRow
	if err := s.Reader.SelectContext(ctx, &rows, s.Reader.Rebind(list), organizationID, before, limit+1); err != nil {
		return nil, "", s.Explain(ctx, "list API keys", err)
	}
	next := ""
	if len(rows) > limit { // one more than asked for says that another page follows
		rows = rows[:limit]
		next = idCursor(rows[limit-1].ID)
	}
	keys := make([]access.Key, 0, len(rows))
	for _, row := range rows {
		keys = append(keys, row.key())
	}
	return keys, next, nil
}

// FindKey implements store.Access.
func (s *Store) FindKey(ctx context.Context, digest access.Digest) (access.Key, error) {
	const one = `SELECT ` + keyColumns + ` FROM api_keys WHERE digest = ? AND revoked_at IS NULL`
	var row keyRow
	err := s.Reader.GetContext(ctx, &row, s.Reader.Rebind(one), digest[:])
	if err := orNotFound(err, keyNotFound()); err != nil {
		return access.Key{}, s.Explain(ctx, "select API key", err)
	}
	return row.key(), nil
}

// UseKey implements store.Access.
func (s *Store) UseKey(ctx context.Context, id string, now time.Time) error {
	const use = `UPDATE api_keys SET last_used_at = ? WHERE id = ? AND (last_used_at IS NULL OR last_used_at <= ?)`
	d := s.Dialect
	_, err := s.Writer.ExecContext(ctx, s.Writer.Rebind(use), d.Param(recordable(now)), id, d.Param(recordable(now.Add(-useEvery))))
	return s.Explain(ctx, "note the use of API key "+id, err)
}

// RevokeKey implements store.Access.
func (s *Store) RevokeKey(ctx context.Context, by audit.Actor, organizationID, id string, now time.Time) error {
	const revoke = `UPDATE api_keys SET revoked_at = ? WHERE id = ? AND organization_id = ? AND revoked_at IS NULL RETURNING ` + keyColumns
	return s.Transact(ctx, "revoke API key "+id, func(tx *sqlx.Tx) error {
		var row keyRow
		err := tx.GetContext(ctx, &row, tx.Rebind(revoke), s.Dialect.Param(recordable(now)), id, organizationID)
		if err := orNotFound(err, keyNotFound()); err != nil {
			return err
		}
		if err := removeAnswers(ctx, tx, id); err != nil {
			return err
		}
		return s.addEntries(ctx, tx, audit.KeyRevoked(by, row.key()))
	})
}
