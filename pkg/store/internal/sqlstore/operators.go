package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"
	"github.com/oklog/ulid/v2"

	"github.com/dialnote/webhooks/pkg/store"
)

// Organizations implements store.Operators.
func (s *Store) Organizations(ctx context.Context, after string, limit int) ([]string, error) {
	const query = `SELECT DISTINCT organization_id FROM webhooks WHERE organization_id > ? ORDER BY organization_id LIMIT ?`
	var list []string
	err := s.Reader.SelectContext(ctx, &list, s.Reader.Rebind(query), after, max(limit, 1))
	return list, s.Explain(ctx, "list organizations", err)
}

// Installation implements store.Operators.
func (s *Store) Installation(ctx context.Context) (id string, err error) {
	err = s.Transact(ctx, "read the installation's id", func(tx *sqlx.Tx) error {
		const insert = `INSERT INTO installation (id) VALUES (?) ON CONFLICT DO NOTHING`
		err := tx.GetContext(ctx, &id, `SELECT id FROM installation`)
		if !errors.Is(err, sql.ErrNoRows) {
			return err //nolint:wrapcheck // Transact says what was done
		}
		if _, err := tx.ExecContext(ctx, tx.Rebind(insert), ulid.Make().String()); err != nil {
			return fmt.Errorf("insert: %w", err)
		}
		return tx.GetContext(ctx, &id, `SELECT id FROM installation`)
	})
	return id, err
}

// Refs implements store.Operators.
func (s *Store) Refs(ctx context.Context, of store.Selection, after store.Ref, limit int) ([]store.Ref, error) {
	query, args := `SELECT organization_id, id FROM webhooks WHERE (organization_id, id) > (?, ?)`, []any{after.OrganizationID, after.ID}
	if of.OrganizationID != "" {
		query, args = query+` AND organization_id = ?`, append(args, of.OrganizationID)
	}
	if of.AutoDisabled {
		query += ` AND auto_disabled <> ''`
	}
	var list []store.Ref
	err := s.Reader.SelectContext(ctx, &list, s.Reader.Rebind(query+` ORDER BY organization_id, id LIMIT ?`), append(args, max(limit, 1))...)
	return list, s.Explain(ctx, "list webhooks", err)
}

// Engine implements store.Operators.
func (s *Store) Engine(ctx context.Context) (string, error) {
	var version string
	err := s.Reader.GetContext(ctx, &version, s.Dialect.Engine)
	return version, s.Explain(ctx, "ask for the database's version", err)
}
