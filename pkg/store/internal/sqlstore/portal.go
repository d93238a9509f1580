package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/dialnote/webhooks/pkg/access"
	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/fault"
)

// portalRow is a row of portal_links or portal_sessions without its digest.
type portalRow struct {
	ID             string    `db:"id"`
	OrganizationID string    `db:"organization_id"`
	Person         string    `db:"person"`
	Via            string    `db:"via"`
	CreatedAt      Timestamp `db:"created_at"`
	ExpiresAt      Timestamp `db:"expires_at"`
}

const portalColumns = `id, organization_id, person, via, created_at, expires_at`

// Links and sessions have the same fields.
func (row portalRow) link() access.PortalLink { return access.PortalLink(row.session()) }

func (row portalRow) session() access.Session {
	return access.Session{
		ID: row.ID, OrganizationID: row.OrganizationID, Person: row.Person, Via: row.Via,
		CreatedAt: row.CreatedAt.Time, ExpiresAt: row.ExpiresAt.Time,
	}
}

func (s *Store) insertPortal(ctx context.Context, tx *sqlx.Tx, table string, row access.Session, digest access.Digest) error {
	insert := `INSERT INTO ` + table + ` (` + portalColumns + `, digest) VALUES (?, ?, ?, ?, ?, ?, ?)`
	d := s.Dialect
	_, err := tx.ExecContext(ctx, tx.Rebind(insert), row.ID, row.OrganizationID, row.Person, row.Via,
		d.Param(recordable(row.CreatedAt)), d.Param(recordable(row.ExpiresAt)), digest[:])
	return err //nolint:wrapcheck // Transact names the operation.
}

// CreateLink implements store.Access.
func (s *Store) CreateLink(ctx context.Context, by audit.Actor, l access.PortalLink, digest access.Digest) error {
	return s.Transact(ctx, "insert portal link "+l.ID, func(tx *sqlx.Tx) error {
		if err := s.insertPortal(ctx, tx, "portal_links", access.Session(l), digest); err != nil {
			return err
		}
		return s.addEntries(ctx, tx, audit.LinkCreated(by, l))
	})
}

// OpenLink implements store.Access. The row can be deleted once.
func (s *Store) OpenLink(ctx context.Context, link access.Digest, sessionID string, session access.Digest, now time.Time) (access.Session, error) {
	const open = `DELETE FROM portal_links WHERE digest = ? AND expires_at > ? RETURNING ` + portalColumns
	var begun access.Session
	err := s.Transact(ctx, "open portal link", func(tx *sqlx.Tx) error {
		var row portalRow
		err := tx.GetContext(ctx, &row, tx.Rebind(open), link[:], s.Dialect.Param(recordable(now)))
		err = orNotFound(err, fault.New(fault.NotFound, "portal-link-invalid",
			"This link was opened before, or is older than five minutes. Open the page from dialnote again."))
		if err != nil {
			return err
		}
		begun = row.link().Begin(sessionID, recordable(now).Time)
		if err := s.insertPortal(ctx, tx, "portal_sessions", begun, session); err != nil {
			return err
		}
		return s.addEntries(ctx, tx, audit.SessionBegun(begun))
	})
	if err != nil {
		return access.Session{}, err
	}
	return begun, nil
}

// FindSession implements store.Access.
func (s *Store) FindSession(ctx context.Context, digest access.Digest, now time.Time) (access.Session, error) {
	const one = `SELECT ` + portalColumns + ` FROM portal_sessions WHERE digest = ? AND expires_at > ?`
	var row portalRow
	err := s.Reader.GetContext(ctx, &row, s.Reader.Rebind(one), digest[:], s.Dialect.Param(recordable(now)))
	err = orNotFound(err, fault.New(fault.NotFound, "portal-session-not-found", "This session has ended."))
	if err != nil {
		return access.Session{}, s.Explain(ctx, "select portal session", err)
	}
	return row.session(), nil
}

// EndSession implements store.Access.
func (s *Store) EndSession(ctx context.Context, digest access.Digest, now time.Time) error {
	const end = `DELETE FROM portal_sessions WHERE digest = ? RETURNING ` + portalColumns
	return s.Transact(ctx, "end portal session", func(tx *sqlx.Tx) error {
		var row portalRow
		err := tx.GetContext(ctx, &row, tx.Rebind(end), digest[:])
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err //nolint:wrapcheck // Transact names the operation.
		}
		if !row.ExpiresAt.After(now) {
			return nil // it had ended by itself
		}
		return s.addEntries(ctx, tx, audit.SessionEnded(row.session(), now))
	})
}

// PruneAccess removes the links and sessions that have expired, and the API
// keys revoked before.
func (s *Store) PruneAccess(ctx context.Context, now, before time.Time) error {
	at := s.Dialect.Param(recordable(now))
	return errors.Join(
		s.DeleteInSteps(ctx, `DELETE FROM portal_links WHERE digest IN (
			SELECT digest FROM portal_links WHERE expires_at <= ? LIMIT ?)`, at, PruneStep),
		s.DeleteInSteps(ctx, `DELETE FROM portal_sessions WHERE digest IN (
			SELECT digest FROM portal_sessions WHERE expires_at <= ? LIMIT ?)`, at, PruneStep),
		s.DeleteInSteps(ctx, `DELETE FROM api_keys WHERE id IN (
			SELECT id FROM api_keys WHERE revoked_at IS NOT NULL AND revoked_at < ? LIMIT ?)`, s.Dialect.Param(recordable(before)), PruneStep),
	)
}
