package sqlstore

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jmoiron/sqlx"

	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// Create implements store.Webhooks.
func (s *Store) Create(ctx context.Context, by audit.Actor, w webhook.Webhook, limit int) error {
	return s.create(ctx, by, w, limit, func(*sqlx.Tx) (bool, error) { return false, nil })
}

// Subscribe implements store.Webhooks.
func (s *Store) Subscribe(ctx context.Context, by audit.Actor, w webhook.Webhook, limit int) (webhook.Webhook, error) {
	const same = `SELECT ` + webhookColumns + ` FROM webhooks WHERE organization_id = ? AND provider = ? AND url = ? AND event = ? ORDER BY id LIMIT 1`
	var row WebhookRow
	err := s.create(ctx, by, w, limit, func(tx *sqlx.Tx) (bool, error) {
		row = WebhookRow{} // of an earlier try
		err := tx.GetContext(ctx, &row, tx.Rebind(same), w.OrganizationID, w.Provider, w.URL, w.Event)
		if errors.Is(err, sql.ErrNoRows) {
			return false, nil
		}
		return err == nil, err //nolint:wrapcheck // Transact names the operation.
	})
	if err != nil || row.ID == "" {
		return w, err
	}
	return s.webhook(row)
}

// create inserts w, unless there reports that it is not needed. there is called
// under a lock that keeps other transactions from creating webhooks of the
// organization.
func (s *Store) create(ctx context.Context, by audit.Actor, w webhook.Webhook, limit int, there func(*sqlx.Tx) (bool, error)) error {
	op := "insert webhook " + w.ID
	sealed, err := s.seal(w)
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	row, err := webhookRow(w, sealed)
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	if row.Headers, err = s.sealHeaders(w); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return s.Transact(ctx, op, func(tx *sqlx.Tx) error {
		if err := s.lockOrganization(ctx, tx, w.OrganizationID); err != nil {
			return err
		}
		if found, err := there(tx); err != nil || found {
			return err
		}
		var have int
		const count = `SELECT count(*) FROM webhooks WHERE organization_id = ?`
		if err := tx.GetContext(ctx, &have, tx.Rebind(count), w.OrganizationID); err != nil {
			return fmt.Errorf("count webhooks: %w", err)
		}
		if have >= limit {
			return limitReached(have)
		}
		if err := s.insertWebhook(ctx, tx, row); err != nil {
			return err
		}
		return s.addEntries(ctx, tx, audit.Created(by, w))
	})
}

func (s *Store) insertWebhook(ctx context.Context, tx *sqlx.Tx, row WebhookRow) error {
	const insert = `INSERT INTO webhooks (` + webhookColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	d := s.Dialect
	_, err := tx.ExecContext(ctx, tx.Rebind(insert),
		row.ID, row.OrganizationID, row.Name, row.Provider, row.URL, row.Event,
		d.Param(row.CreatedAt), d.Param(row.UpdatedAt), row.OrderedFrom, row.Version,
		row.FailureCount, row.Outages.Param(), d.Param(row.CountFrom), d.Param(row.LastSentAt),
		row.LastError.Param(), d.Param(row.HoldUntil), row.AutoDisabled, row.Waiting, row.Secret, orNull(row.Headers))
	return err //nolint:wrapcheck // Transact names the operation.
}

// Get implements store.Webhooks.
func (s *Store) Get(ctx context.Context, organizationID, id string) (webhook.Webhook, error) {
	op := "select webhook " + id
	const one = `SELECT ` + webhookColumns + ` FROM webhooks WHERE organization_id = ? AND id = ?`
	var row WebhookRow
	if err := s.Reader.GetContext(ctx, &row, s.Reader.Rebind(one), organizationID, id); err != nil {
		return webhook.Webhook{}, s.Explain(ctx, op, orNotFound(err, webhookNotFound()))
	}
	return s.webhook(row)
}

// List implements store.Webhooks. A cursor is the last id of its page.
func (s *Store) List(ctx context.Context, organizationID string, page store.Page) ([]webhook.Webhook, string, error) {
	const list = `SELECT ` + webhookColumns + ` FROM webhooks WHERE organization_id = ? AND id < ? ORDER BY id DESC LIMIT ?`
	before, err := parseCursor(page.After, "wh_")
	if err != nil {
		return nil, "", err
	}
	limit := max(page.Limit, 1)
	var rows []WebhookRow
	// One more than asked for says whether another page follows.
	if err := s.Reader.SelectContext(ctx, &rows, s.Reader.Rebind(list), organizationID, before, limit+1); err != nil {
		return nil, "", s.Explain(ctx, "list webhooks", err)
	}
	n, next := fitting(rows, limit, func(r WebhookRow) int { return len(r.Name) + len(r.URL) + len(r.Headers) + len(r.LastError) }), ""
	if n < len(rows) {
		next = idCursor(rows[n-1].ID)
	}
	found, err := s.webhooks(rows[:n])
	return found, next, err
}

// idCursor returns the cursor of the page that follows an id.
func idCursor(id string) string { return base64.RawURLEncoding.EncodeToString([]byte(id)) }

// parseCursor returns the id that all ids of a page are smaller than. Ids have
// the prefix.
func parseCursor(cursor, prefix string) (string, error) {
	if cursor == "" {
		return "~", nil // after every id: they begin with a letter
	}
	id, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || !strings.HasPrefix(string(id), prefix) || storableText(string(id)) != string(id) {
		return "", invalidCursor()
	}
	return string(id), nil
}

// All implements store.Webhooks.
func (s *Store) All(ctx context.Context, organizationID string) ([]webhook.Webhook, error) {
	const all = `SELECT ` + webhookColumns + ` FROM webhooks WHERE organization_id = ? ORDER BY id`
	op := "select webhooks of organization " + organizationID
	query, err := s.all.on(ctx, s.Reader, all) //nolint:sqlclosecheck // it is kept
	if err != nil {
		return nil, s.Explain(ctx, op, err)
	}
	rows := make([]WebhookRow, 0, 8) // most have fewer: no need to grow by one at a time
	if err := query.SelectContext(ctx, &rows, organizationID); err != nil {
		return nil, s.Explain(ctx, op, err)
	}
	return s.webhooks(rows)
}

// AllOf implements store.Webhooks.
func (s *Store) AllOf(ctx context.Context, organizationIDs []string) (map[string][]webhook.Webhook, error) {
	found := make(map[string][]webhook.Webhook, len(organizationIDs))
	for some := range slices.Chunk(organizationIDs, maxList) {
		query, args, err := sqlx.In(`SELECT `+webhookColumns+` FROM webhooks WHERE organization_id IN (?) ORDER BY id`, some)
		if err != nil {
			return nil, fmt.Errorf("list ids: %w", err)
		}
		var rows []WebhookRow
		if err := s.Reader.SelectContext(ctx, &rows, s.Reader.Rebind(query), args...); err != nil {
			return nil, s.Explain(ctx, "select webhooks of organizations", err)
		}
		all, err := s.webhooks(rows)
		if err != nil {
			return nil, err
		}
		for _, w := range all {
			found[w.OrganizationID] = append(found[w.OrganizationID], w)
		}
	}
	return found, nil
}

// Update implements store.Webhooks.
func (s *Store) Update(ctx context.Context, by audit.Actor, organizationID, id string, version int64,
	change func(webhook.Webhook) (webhook.Webhook, error),
) (webhook.Webhook, error) {
	var updated webhook.Webhook
	var refused error // change's own error, which is returned as it is
	err := s.Transact(ctx, "update webhook "+id, func(tx *sqlx.Tx) error {
		current, row, err := s.lock(ctx, tx, organizationID, id, version)
		if err != nil {
			return err
		}
		updated, refused = change(current)
		if refused != nil {
			return refused
		}
		updated.ID, updated.OrganizationID = id, organizationID
		updated.CreatedAt, updated.Version, updated.Waiting = current.CreatedAt, current.Version+1, current.Waiting
		headers, err := s.resealHeaders(current, updated, row.Headers)
		if err != nil {
			return err
		}
		if row, err = webhookRow(updated, row.Secret); err != nil {
			return err
		}
		row.Headers = headers
		if err := s.updateWebhook(ctx, tx, row); err != nil {
			return err
		}
		if updated, err = s.webhook(row); err != nil { // as the next reader gets it
			return err
		}
		if err := s.addEntries(ctx, tx, audit.Updated(by, current, updated, updated.UpdatedAt)...); err != nil {
			return err
		}
		return addTransition(ctx, tx, current, updated)
	})
	if refused != nil {
		err = refused
	}
	if err != nil {
		return webhook.Webhook{}, err
	}
	return updated, nil
}

func (s *Store) updateWebhook(ctx context.Context, tx *sqlx.Tx, row WebhookRow) error {
	const update = `UPDATE webhooks SET name = ?, provider = ?, url = ?, event = ?, headers = ?, updated_at = ?, ordered_from = ?, version = ?,
		failure_count = ?, outages = ?, count_from = ?, last_sent_at = ?, last_error = ?, hold_until = ?, auto_disabled = ?
		WHERE id = ?`
	d := s.Dialect
	_, err := tx.ExecContext(ctx, tx.Rebind(update),
		row.Name, row.Provider, row.URL, row.Event, orNull(row.Headers), d.Param(row.UpdatedAt), row.OrderedFrom, row.Version,
		row.FailureCount, row.Outages.Param(), d.Param(row.CountFrom), d.Param(row.LastSentAt),
		row.LastError.Param(), d.Param(row.HoldUntil), row.AutoDisabled, row.ID)
	return err //nolint:wrapcheck // Transact names the operation.
}

// lock reads a webhook for the rest of the transaction and checks the version
// that the caller saw, unless that is 0.
func (s *Store) lock(ctx context.Context, tx *sqlx.Tx, organizationID, id string, version int64) (webhook.Webhook, WebhookRow, error) {
	const one = `SELECT ` + webhookColumns + ` FROM webhooks WHERE organization_id = ? AND id = ?`
	var row WebhookRow
	if err := tx.GetContext(ctx, &row, tx.Rebind(one+s.Dialect.ForUpdate), organizationID, id); err != nil {
		return webhook.Webhook{}, row, orNotFound(err, webhookNotFound())
	}
	if version != 0 && version != row.Version {
		return webhook.Webhook{}, row, staleVersion()
	}
	w, err := s.webhook(row)
	return w, row, err
}

// Delete implements store.Webhooks.
func (s *Store) Delete(ctx context.Context, by audit.Actor, organizationID, id string, version int64) (webhook.Webhook, error) {
	var deleted webhook.Webhook
	err := s.Transact(ctx, "delete webhook "+id, func(tx *sqlx.Tx) error {
		var err error
		if deleted, _, err = s.lock(ctx, tx, organizationID, id, version); err != nil {
			return err
		}
		if err := removeWebhook(ctx, tx, id); err != nil {
			return err
		}
		now := s.Now()
		if err := s.addEntries(ctx, tx, audit.Deleted(by, deleted, now)); err != nil {
			return err
		}
		return addNotices(ctx, tx, webhook.Deleted(deleted, now))
	})
	if err != nil {
		return webhook.Webhook{}, err
	}
	return deleted, nil
}

// removeWebhook deletes a webhook and its secret, wherever that is kept, and leaves a
// note for Prune to remove its log.
func removeWebhook(ctx context.Context, tx *sqlx.Tx, id string) error {
	if err := removeAnswers(ctx, tx, id); err != nil {
		return err
	}
	for _, table := range []string{"waiting", "waiting_leases"} {
		if _, err := tx.ExecContext(ctx, tx.Rebind(`DELETE FROM `+table+` WHERE webhook_id = ?`), id); err != nil {
			return err //nolint:wrapcheck // Transact names the operation.
		}
	}
	if _, err := tx.ExecContext(ctx, tx.Rebind(`DELETE FROM webhooks WHERE id = ?`), id); err != nil {
		return err //nolint:wrapcheck // Transact names the operation.
	}
	_, err := tx.ExecContext(ctx, tx.Rebind(`INSERT INTO removed_webhooks (id) VALUES (?) ON CONFLICT DO NOTHING`), id)
	return err //nolint:wrapcheck // Transact names the operation.
}
