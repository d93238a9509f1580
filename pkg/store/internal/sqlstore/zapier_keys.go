package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/dialnote/webhooks/pkg/access"
	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/fault"
)

// zapierPlace is what a Zapier key's seal is bound to.
func zapierPlace(organizationID string) []byte { return []byte("zapier key of " + organizationID) }

// ShowZapierKey implements store.Access. Of several concurrent first calls, the
// insert of one succeeds; the others wait for it and read its key.
func (s *Store) ShowZapierKey(ctx context.Context, by audit.Actor, fresh access.ZapierKey, now time.Time) (access.ZapierKey, error) {
	const insert = `INSERT INTO zapier_keys (organization_id, digest, sealed, created_at) VALUES (?, ?, ?, ?)
		ON CONFLICT (organization_id) DO NOTHING`
	const one = `SELECT sealed, created_at FROM zapier_keys WHERE organization_id = ?`
	org, shown := fresh.OrganizationID, access.ZapierKey{}
	err := s.writeZapierKey(ctx, insert, fresh, func(tx *sqlx.Tx, isNew bool) error {
		var row struct {
			Sealed    []byte    `db:"sealed"`
			CreatedAt Timestamp `db:"created_at"`
		}
		if err := tx.GetContext(ctx, &row, tx.Rebind(one), org); err != nil {
			return err //nolint:wrapcheck // Transact names the operation.
		}
		text, err := s.Box.Open(row.Sealed, zapierPlace(org))
		if err != nil {
			return fmt.Errorf("open Zapier key: %w", err)
		}
		shown = access.ZapierKey{OrganizationID: org, Key: access.Secret(text), CreatedAt: row.CreatedAt.Time}
		action := audit.ZapierKeyShown
		if isNew {
			action = audit.ZapierKeyCreated
		}
		return s.addEntries(ctx, tx, audit.OfZapierKey(by, action, org, now))
	})
	if err != nil {
		return access.ZapierKey{}, err
	}
	return shown, nil
}

// RotateZapierKey implements store.Access.
func (s *Store) RotateZapierKey(ctx context.Context, by audit.Actor, fresh access.ZapierKey) error {
	const replace = `INSERT INTO zapier_keys (organization_id, digest, sealed, created_at) VALUES (?, ?, ?, ?)
		ON CONFLICT (organization_id) DO UPDATE SET digest = excluded.digest, sealed = excluded.sealed, created_at = excluded.created_at`
	return s.writeZapierKey(ctx, replace, fresh, func(tx *sqlx.Tx, _ bool) error {
		return s.addEntries(ctx, tx, audit.OfZapierKey(by, audit.ZapierKeyRotated, fresh.OrganizationID, fresh.CreatedAt))
	})
}

// writeZapierKey runs a statement with a key, and then does the rest in the
// same transaction. written tells whether the statement wrote the key.
func (s *Store) writeZapierKey(ctx context.Context, statement string, k access.ZapierKey, rest func(tx *sqlx.Tx, written bool) error) error {
	sealed, err := s.Box.Seal([]byte(k.Key.Reveal()), zapierPlace(k.OrganizationID))
	if err != nil {
		return fmt.Errorf("seal Zapier key: %w", err)
	}
	digest := k.Key.Digest()
	return s.Transact(ctx, "write Zapier key of organization "+k.OrganizationID, func(tx *sqlx.Tx) error {
		result, err := tx.ExecContext(ctx, tx.Rebind(statement), k.OrganizationID, digest[:], sealed, s.Dialect.Param(recordable(k.CreatedAt)))
		if err != nil {
			return err //nolint:wrapcheck // Transact names the operation.
		}
		n, err := result.RowsAffected()
		if err != nil {
			return err //nolint:wrapcheck // Transact names the operation.
		}
		return rest(tx, n == 1)
	})
}

// FindZapierKey implements store.Access.
func (s *Store) FindZapierKey(ctx context.Context, digest access.Digest) (organizationID string, err error) {
	const one = `SELECT organization_id FROM zapier_keys WHERE digest = ?`
	err = s.Reader.GetContext(ctx, &organizationID, s.Reader.Rebind(one), digest[:])
	err = orNotFound(err, fault.New(fault.NotFound, "zapier-key-not-found", "There is no such Zapier key."))
	return organizationID, s.Explain(ctx, "select Zapier key", err)
}
