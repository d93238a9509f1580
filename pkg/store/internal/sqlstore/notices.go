package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/jmoiron/sqlx"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// AddNotice implements store.Notices.
func (s *Store) AddNotice(ctx context.Context, n webhook.Notice) error {
	return s.Transact(ctx, "insert notice "+n.ID, func(tx *sqlx.Tx) error {
		return addNotices(ctx, tx, n)
	})
}

// addNotices writes notices in the transaction of the change that they report.
func addNotices(ctx context.Context, tx *sqlx.Tx, notices ...webhook.Notice) error {
	for _, n := range notices {
		n.At = delivery.Recordable(n.At)
		body, err := json.Marshal(n)
		if err != nil {
			return fmt.Errorf("write notice %s: %w", n.ID, err)
		}
		const insert = `INSERT INTO notices (id, body) VALUES (?, ?) ON CONFLICT (id) DO NOTHING`
		if _, err := tx.ExecContext(ctx, tx.Rebind(insert), n.ID, string(body)); err != nil {
			return fmt.Errorf("insert notice %s: %w", n.ID, err)
		}
	}
	return nil
}

// addTransition writes the notice that a change calls for, if any.
func addTransition(ctx context.Context, tx *sqlx.Tx, before, after webhook.Webhook) error {
	n, due := webhook.Transition(before, after, after.UpdatedAt)
	if !due {
		return nil
	}
	return addNotices(ctx, tx, n)
}

// addNoticesOf writes the notices that the steps of a fold call for.
func addNoticesOf(ctx context.Context, tx *sqlx.Tx, steps []delivery.Step) error {
	for _, step := range steps {
		n, due := webhook.Transition(*step.Before, *step.After, step.Attempt.EndedAt)
		if step.Decision.Action == delivery.Remove {
			n, due = webhook.Deleted(*step.After, step.Attempt.EndedAt), true
		}
		if !step.Found || !due {
			continue
		}
		if err := addNotices(ctx, tx, n); err != nil {
			return err
		}
	}
	return nil
}

// addRecovered writes the notice of a recovery that has just ended. A dry run
// calls for none.
func addRecovered(ctx context.Context, tx *sqlx.Tx, recoveryID string) error {
	const ended = `SELECT r.status, r.message, r.examined, r.queued, r.ended_at, r.dry_run,
			w.id AS webhook_id, w.organization_id, w.name, w.version
		FROM recoveries r JOIN webhooks w ON w.id = r.webhook_id WHERE r.id = ?`
	var row struct {
		WebhookID      string    `db:"webhook_id"`
		OrganizationID string    `db:"organization_id"`
		Name           string    `db:"name"`
		Version        int64     `db:"version"`
		Status         string    `db:"status"`
		Message        string    `db:"message"`
		Examined       int64     `db:"examined"`
		Queued         int64     `db:"queued"`
		EndedAt        Timestamp `db:"ended_at"`
		DryRun         bool      `db:"dry_run"`
	}
	if err := tx.GetContext(ctx, &row, tx.Rebind(ended), recoveryID); err != nil {
		return fmt.Errorf("select recovery %s: %w", recoveryID, err)
	}
	if row.DryRun {
		return nil
	}
	w := webhook.Webhook{ID: row.WebhookID, OrganizationID: row.OrganizationID, Name: row.Name, Version: row.Version}
	return addNotices(ctx, tx, webhook.Recovered(w, webhook.RecoveryEnd{
		ID: recoveryID, Status: row.Status, Message: row.Message, Examined: row.Examined, Queued: row.Queued,
	}, row.EndedAt.Time))
}

// PendingNotices implements store.Notices.
func (s *Store) PendingNotices(ctx context.Context, limit int) ([]webhook.Notice, error) {
	const oldest = `SELECT body FROM notices ORDER BY sequence LIMIT ?`
	var bodies []JSON
	if err := s.Reader.SelectContext(ctx, &bodies, s.Reader.Rebind(oldest), limit); err != nil {
		return nil, s.Explain(ctx, "select notices", err)
	}
	notices := make([]webhook.Notice, len(bodies))
	for i, body := range bodies {
		if err := json.Unmarshal([]byte(body), &notices[i]); err != nil {
			return nil, fmt.Errorf("read notice %s: %w", body, err)
		}
	}
	return notices, nil
}

// DropNotices implements store.Notices.
func (s *Store) DropNotices(ctx context.Context, ids []string) error {
	for chunk := range slices.Chunk(ids, maxList) {
		query, args, err := sqlx.In(`DELETE FROM notices WHERE id IN (?)`, chunk)
		if err != nil {
			return fmt.Errorf("list ids: %w", err)
		}
		if _, err := s.Writer.ExecContext(ctx, s.Writer.Rebind(query), args...); err != nil {
			return s.Explain(ctx, "delete notices", err)
		}
	}
	return nil
}
