package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
)

// recoveryRow is a row of recoveries without its lease.
type recoveryRow struct {
	ID             string    `db:"id"`
	OrganizationID string    `db:"organization_id"`
	WebhookID      string    `db:"webhook_id"`
	EventType      string    `db:"event_type"`
	Since          Timestamp `db:"since"`
	Until          Timestamp `db:"until"`
	DryRun         bool      `db:"dry_run"`
	Status         string    `db:"status"`
	Message        string    `db:"message"`
	Total          int64     `db:"total"`
	Examined       int64     `db:"examined"`
	Queued         int64     `db:"queued"`
	Position       int64     `db:"position"`
	CreatedAt      Timestamp `db:"created_at"`
	EndedAt        Timestamp `db:"ended_at"`
}

const recoveryColumns = `id, organization_id, webhook_id, event_type, since, until, dry_run, status, message,
	total, examined, queued, position, created_at, ended_at`

func (row recoveryRow) recovery() delivery.Recovery {
	return delivery.Recovery{
		ID: row.ID, OrganizationID: row.OrganizationID, WebhookID: row.WebhookID, EventType: event.Type(row.EventType),
		Since: row.Since.Time, Until: row.Until.Time, DryRun: row.DryRun,
		Status: delivery.RecoveryStatus(row.Status), Message: row.Message,
		Total: row.Total, Examined: row.Examined, Queued: row.Queued,
		Position:  uint64(row.Position), //nolint:gosec // the column's CHECK keeps it from being negative
		CreatedAt: row.CreatedAt.Time, EndedAt: row.EndedAt.Time,
	}
}

func recoveryNotFound() error {
	return fault.New(fault.NotFound, "recovery-not-found", "There is no such recovery.")
}

// CreateRecovery implements store.Recoveries. It locks the webhook's row, so that
// of two concurrent calls only one inserts a recovery.
func (s *Store) CreateRecovery(ctx context.Context, by audit.Actor, r delivery.Recovery) error {
	const owner = `SELECT 1 FROM webhooks WHERE id = ? AND organization_id = ?`
	const running = `SELECT count(*) FROM recoveries WHERE webhook_id = ? AND dry_run = ? AND status = 'running'`
	const insert = `INSERT INTO recoveries (` + recoveryColumns + `, lease_until) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	d := s.Dialect
	return s.Transact(ctx, "insert recovery "+r.ID, func(tx *sqlx.Tx) error {
		var there int
		err := tx.GetContext(ctx, &there, tx.Rebind(owner+d.ForUpdate), r.WebhookID, r.OrganizationID)
		if err := orNotFound(err, webhookNotFound()); err != nil {
			return err
		}
		if err := tx.GetContext(ctx, &there, tx.Rebind(running), r.WebhookID, r.DryRun); err != nil {
			return err //nolint:wrapcheck // Transact names the operation.
		}
		if there > 0 {
			return fault.New(fault.Conflict, "recovery-running", "A recovery of this webhook is already running. Wait for it, or cancel it.")
		}
		_, err = tx.ExecContext(ctx, tx.Rebind(insert), r.ID, r.OrganizationID, r.WebhookID, string(r.EventType),
			d.Param(recordable(r.Since)), d.Param(recordable(r.Until)), r.DryRun, string(r.Status), r.Message,
			r.Total, r.Examined, r.Queued, int64(r.Position), //nolint:gosec // a stream's sequence stays below 2^63
			d.Param(recordable(r.CreatedAt)), d.Param(recordable(r.EndedAt)), d.Param(recordable(r.CreatedAt)))
		if err != nil || r.DryRun {
			return err //nolint:wrapcheck // Transact names the operation.
		}
		return s.addEntries(ctx, tx, audit.RecoveryBegun(by, r))
	})
}

// GetRecovery implements store.Recoveries.
func (s *Store) GetRecovery(ctx context.Context, organizationID, webhookID, id string) (delivery.Recovery, error) {
	const one = `SELECT ` + recoveryColumns + ` FROM recoveries WHERE id = ? AND webhook_id = ? AND organization_id = ?`
	var row recoveryRow
	err := s.Reader.GetContext(ctx, &row, s.Reader.Rebind(one), id, webhookID, organizationID)
	if err := orNotFound(err, recoveryNotFound()); err != nil {
		return delivery.Recovery{}, s.Explain(ctx, "select recovery "+id, err)
	}
	return row.recovery(), nil
}

// CancelRecovery implements store.Recoveries.
func (s *Store) CancelRecovery(ctx context.Context, by audit.Actor, organizationID, webhookID, id string, now time.Time) error {
	const cancel = `UPDATE recoveries SET status = 'cancelled', ended_at = ?
		WHERE id = ? AND webhook_id = ? AND organization_id = ? AND status = 'running' RETURNING ` + recoveryColumns
	cancelled := false
	err := s.Transact(ctx, "cancel recovery "+id, func(tx *sqlx.Tx) error {
		cancelled = false
		var row recoveryRow
		err := tx.GetContext(ctx, &row, tx.Rebind(cancel), s.Dialect.Param(recordable(now)), id, webhookID, organizationID)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err //nolint:wrapcheck // Transact names the operation.
		}
		cancelled = true
		if !row.DryRun {
			if err := s.addEntries(ctx, tx, audit.RecoveryEnded(by, row.recovery(), now)); err != nil {
				return err
			}
		}
		return addRecovered(ctx, tx, id)
	})
	if err != nil || cancelled {
		return err
	}
	_, err = s.GetRecovery(ctx, organizationID, webhookID, id)
	return err
}

// ClaimRecovery implements store.Recoveries. It looks before it writes: nearly
// always there is nothing to do.
func (s *Store) ClaimRecovery(ctx context.Context, holder string, now time.Time, lease time.Duration) (r delivery.Recovery, ok bool, err error) {
	const op = "claim recovery"
	const free = `SELECT id FROM recoveries WHERE status = 'running' AND lease_until <= ? ORDER BY lease_until, id LIMIT 1`
	const claim = `UPDATE recoveries SET lease_holder = ?, lease_until = ?
		WHERE id = ? AND status = 'running' AND lease_until <= ? RETURNING ` + recoveryColumns
	at := s.Dialect.Param(recordable(now))
	for {
		var id string
		err := s.Reader.GetContext(ctx, &id, s.Reader.Rebind(free), at)
		if errors.Is(err, sql.ErrNoRows) {
			return delivery.Recovery{}, false, nil
		}
		if err != nil {
			return delivery.Recovery{}, false, s.Explain(ctx, op, err)
		}
		var row recoveryRow
		err = s.Writer.GetContext(ctx, &row, s.Writer.Rebind(claim), holder, s.Dialect.Param(recordable(now.Add(lease))), id, at)
		if errors.Is(err, sql.ErrNoRows) {
			continue // another replica was quicker
		}
		if err != nil {
			return delivery.Recovery{}, false, s.Explain(ctx, op, err)
		}
		return row.recovery(), true, nil
	}
}

// AdvanceRecovery implements store.Recoveries.
func (s *Store) AdvanceRecovery(ctx context.Context, holder string, r delivery.Recovery, now time.Time) (bool, error) {
	const advance = `UPDATE recoveries SET status = ?, message = ?, total = ?, examined = ?, queued = ?, position = ?, ended_at = ?,
			lease_holder = '', lease_until = ?
		WHERE id = ? AND status = 'running' AND lease_holder = ?`
	advanced := false
	err := s.Transact(ctx, "advance recovery "+r.ID, func(tx *sqlx.Tx) error {
		result, err := tx.ExecContext(ctx, tx.Rebind(advance), string(r.Status), r.Message,
			r.Total, r.Examined, r.Queued, int64(r.Position), //nolint:gosec // a stream's sequence stays below 2^63
			s.Dialect.Param(recordable(r.EndedAt)), s.Dialect.Param(recordable(now)), r.ID, holder)
		if err != nil {
			return err //nolint:wrapcheck // Transact names the operation.
		}
		n, err := result.RowsAffected()
		if advanced = n == 1; err != nil || !advanced || r.Status == delivery.RecoveryRunning {
			return err //nolint:wrapcheck // Transact names the operation.
		}
		return addRecovered(ctx, tx, r.ID)
	})
	return advanced && err == nil, err
}

// Standings implements store.Recoveries.
func (s *Store) Standings(ctx context.Context, deliveryIDs []string) (map[string]delivery.Standing, error) {
	const standings = `SELECT delivery_id, status,
			(SELECT count(*) FROM attempts c WHERE c.delivery_id = a.delivery_id AND c.number > 0) AS attempts
		FROM attempts a WHERE delivery_id IN (?) AND NOT test AND ` + isLatest
	found := make(map[string]delivery.Standing, len(deliveryIDs))
	for chunk := range slices.Chunk(deliveryIDs, maxList) {
		query, args, err := sqlx.In(standings, chunk)
		if err != nil {
			return nil, fmt.Errorf("list deliveries: %w", err)
		}
		var rows []struct {
			DeliveryID string `db:"delivery_id"`
			Status     string `db:"status"`
			Attempts   int    `db:"attempts"`
		}
		if err := s.Reader.SelectContext(ctx, &rows, s.Reader.Rebind(query), args...); err != nil {
			return nil, s.Explain(ctx, "select standings", err)
		}
		for _, row := range rows {
			found[row.DeliveryID] = delivery.Standing{Status: delivery.Status(row.Status), Attempts: row.Attempts}
		}
	}
	return found, nil
}

// PruneRecoveries removes the recoveries made before that have ended.
func (s *Store) PruneRecoveries(ctx context.Context, before time.Time) error {
	return s.DeleteInSteps(ctx, `DELETE FROM recoveries WHERE id IN (
		SELECT id FROM recoveries WHERE created_at < ? AND status <> 'running' LIMIT ?)`, s.Dialect.Param(recordable(before)), PruneStep)
}
