package sqlstore

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// waitingList is how many rows one statement writes or removes.
const waitingList = 200

// writeWaiting writes what the steps say of deliveries that wait: one that has to
// wait is kept, once, and one that is done with no longer.
func (s *Store) writeWaiting(ctx context.Context, tx *sqlx.Tx, steps []delivery.Step, left map[string]*webhook.Webhook) error {
	var kept, done []*delivery.Attempt
	for i := range steps {
		step := &steps[i]
		if _, is := left[step.Attempt.WebhookID]; !is {
			continue
		}
		switch waits := step.Decision.Action == delivery.Wait; {
		case step.Attempt.Waits == delivery.MayWait && waits:
			kept = append(kept, step.Attempt)
		case step.Attempt.Waits == delivery.Waiting && step.Decision.Action == delivery.Done:
			done = append(done, step.Attempt)
		}
	}
	if err := s.insertWaiting(ctx, tx, kept); err != nil {
		return fmt.Errorf("insert waiting deliveries: %w", err)
	}
	if err := removeWaiting(ctx, tx, done); err != nil {
		return fmt.Errorf("delete waiting deliveries: %w", err)
	}
	return nil
}

func (s *Store) insertWaiting(ctx context.Context, tx *sqlx.Tx, kept []*delivery.Attempt) error {
	const insert = `INSERT INTO waiting (webhook_id, event_sequence, delivery_id, event_id, event_type, event_stored) VALUES `
	for some := range slices.Chunk(kept, waitingList) {
		args := make([]any, 0, 6*len(some))
		for _, a := range some {
			args = append(args, a.WebhookID, int64(a.EventSequence), a.DeliveryID, a.EventID, string(a.EventType), //nolint:gosec // a stream's sequence stays below 2^63
				s.Dialect.Time(delivery.Recordable(a.EventStored)))
		}
		query := insert + `(?, ?, ?, ?, ?, ?)` + strings.Repeat(`, (?, ?, ?, ?, ?, ?)`, len(some)-1) + ` ON CONFLICT DO NOTHING`
		if _, err := tx.ExecContext(ctx, tx.Rebind(query), args...); err != nil {
			return err //nolint:wrapcheck // The caller names the operation.
		}
	}
	return nil
}

func removeWaiting(ctx context.Context, tx *sqlx.Tx, done []*delivery.Attempt) error {
	for some := range slices.Chunk(done, waitingList) {
		args := make([]any, 0, 2*len(some))
		for _, a := range some {
			args = append(args, a.WebhookID, int64(a.EventSequence)) //nolint:gosec // a stream's sequence stays below 2^63
		}
		query := `DELETE FROM waiting WHERE (webhook_id, event_sequence) IN (VALUES (?, CAST(? AS bigint))` +
			strings.Repeat(`, (?, CAST(? AS bigint))`, len(some)-1) + `)`
		if _, err := tx.ExecContext(ctx, tx.Rebind(query), args...); err != nil {
			return err //nolint:wrapcheck // The caller names the operation.
		}
	}
	return nil
}

// ClaimWaiting implements store.Waiting. It looks before it writes: nearly always
// there is nothing to do.
func (s *Store) ClaimWaiting(ctx context.Context, holder string, c store.WaitingClaim) ([]store.WaitingWebhook, error) {
	const op = "claim webhooks for which deliveries wait"
	const due = `SELECT w.id, w.organization_id FROM webhooks w LEFT JOIN waiting_leases l ON l.webhook_id = w.id
		WHERE w.waiting AND w.auto_disabled = '' AND (w.hold_until IS NULL OR w.hold_until <= ?)
		AND (l.lease_until IS NULL OR l.lease_until <= ?) LIMIT ?`
	if c.RunOut.IsZero() {
		c.RunOut = time.Unix(0, 0)
	}
	runOut := s.Dialect.Time(delivery.Recordable(c.RunOut))
	var rows []struct {
		ID             string `db:"id"`
		OrganizationID string `db:"organization_id"`
	}
	if err := s.Reader.SelectContext(ctx, &rows, s.Reader.Rebind(due), s.Dialect.Param(recordable(c.Now)), runOut, c.AtOnce); err != nil {
		return nil, s.Explain(ctx, op, err)
	}
	organizations := make(map[string]string, len(rows))
	for _, row := range rows {
		organizations[row.ID] = row.OrganizationID
	}
	var claimed []store.WaitingWebhook
	for some := range slices.Chunk(slices.Sorted(maps.Keys(organizations)), waitingList) { // sorted: so that two claims do not deadlock
		ids, err := s.claimWaiting(ctx, holder, some, c.Until, runOut)
		if err != nil {
			return claimed, s.Explain(ctx, op, err)
		}
		for _, id := range ids {
			claimed = append(claimed, store.WaitingWebhook{OrganizationID: organizations[id], WebhookID: id})
		}
	}
	return claimed, nil
}

// claimWaiting takes the leases that no replica has, or that have run out, and
// returns the ids of their webhooks.
func (s *Store) claimWaiting(ctx context.Context, holder string, ids []string, until time.Time, runOut any) (claimed []string, err error) {
	args := make([]any, 0, 3*len(ids)+1)
	for _, id := range ids {
		args = append(args, id, holder, s.Dialect.Param(recordable(until)))
	}
	query := `INSERT INTO waiting_leases (webhook_id, lease_holder, lease_until) VALUES (?, ?, ?)` + strings.Repeat(`, (?, ?, ?)`, len(ids)-1) + `
		ON CONFLICT (webhook_id) DO UPDATE SET lease_holder = excluded.lease_holder, lease_until = excluded.lease_until
		WHERE waiting_leases.lease_until <= ? RETURNING webhook_id`
	err = s.Writer.SelectContext(ctx, &claimed, s.Writer.Rebind(query), append(args, runOut)...)
	return claimed, err //nolint:wrapcheck // The caller names the operation.
}

// RenewWaiting implements store.Waiting.
func (s *Store) RenewWaiting(ctx context.Context, holder string, webhookIDs []string, until time.Time) ([]string, error) {
	const renew = `UPDATE waiting_leases SET lease_until = ? WHERE webhook_id IN (?) AND lease_holder = ? RETURNING webhook_id`
	var renewed []string
	for some := range slices.Chunk(webhookIDs, maxList) {
		query, args, err := sqlx.In(renew, s.Dialect.Param(recordable(until)), some, holder)
		if err != nil {
			return renewed, fmt.Errorf("list ids: %w", err)
		}
		var ids []string
		if err := s.Writer.SelectContext(ctx, &ids, s.Writer.Rebind(query), args...); err != nil {
			return renewed, s.Explain(ctx, "renew leases of waiting deliveries", err)
		}
		renewed = append(renewed, ids...)
	}
	return renewed, nil
}

const leaveWaiting = `DELETE FROM waiting_leases WHERE webhook_id = ? AND lease_holder = ?`

// LeaveWaiting implements store.Waiting.
func (s *Store) LeaveWaiting(ctx context.Context, holder, webhookID string) error {
	_, err := s.Writer.ExecContext(ctx, s.Writer.Rebind(leaveWaiting), webhookID, holder)
	return s.Explain(ctx, "leave what waits for webhook "+webhookID, err)
}

// FinishWaiting implements store.Waiting. The webhook's row is locked before it is
// looked whether deliveries wait, since Record keeps them under the same lock.
func (s *Store) FinishWaiting(ctx context.Context, holder, webhookID string) (bool, error) {
	const finish = `UPDATE webhooks SET waiting = ? WHERE id = ?`
	finished := false
	err := s.Transact(ctx, "finish what waits for webhook "+webhookID, func(tx *sqlx.Tx) error {
		finished = false
		var locked []string
		const lock = `SELECT id FROM webhooks WHERE id = ?`
		if err := tx.SelectContext(ctx, &locked, tx.Rebind(lock+s.Dialect.ForUpdate), webhookID); err != nil {
			return err //nolint:wrapcheck // Transact names the operation.
		}
		var waits []int64
		const first = `SELECT event_sequence FROM waiting WHERE webhook_id = ? LIMIT 1`
		if err := tx.SelectContext(ctx, &waits, tx.Rebind(first), webhookID); err != nil || len(waits) > 0 {
			return err //nolint:wrapcheck // Transact names the operation.
		}
		if _, err := tx.ExecContext(ctx, tx.Rebind(finish), false, webhookID); err != nil {
			return err //nolint:wrapcheck // Transact names the operation.
		}
		finished = true
		_, err := tx.ExecContext(ctx, tx.Rebind(leaveWaiting), webhookID, holder)
		return err //nolint:wrapcheck // Transact names the operation.
	})
	return finished && err == nil, err
}

// ReadWaiting implements store.Waiting.
func (s *Store) ReadWaiting(ctx context.Context, webhookID string, after uint64, n int) ([]store.WaitingDelivery, error) {
	const next = `SELECT event_sequence, delivery_id, event_id, event_type, event_stored FROM waiting
		WHERE webhook_id = ? AND event_sequence > ? ORDER BY event_sequence LIMIT ?`
	var rows []struct {
		Sequence   int64     `db:"event_sequence"`
		DeliveryID string    `db:"delivery_id"`
		EventID    string    `db:"event_id"`
		EventType  string    `db:"event_type"`
		Stored     Timestamp `db:"event_stored"`
	}
	if err := s.Reader.SelectContext(ctx, &rows, s.Reader.Rebind(next), webhookID, int64(after), n); err != nil { //nolint:gosec // as above
		return nil, s.Explain(ctx, "read what waits for webhook "+webhookID, err)
	}
	list := make([]store.WaitingDelivery, 0, len(rows))
	for _, row := range rows {
		list = append(list, store.WaitingDelivery{
			ID: row.DeliveryID, WebhookID: webhookID, EventID: row.EventID, EventType: event.Type(row.EventType),
			EventSequence: uint64(row.Sequence), EventStored: row.Stored.Time, Waits: delivery.Waiting, //nolint:gosec // it was one when it was written
		})
	}
	return list, nil
}

// CountWaiting implements store.Waiting.
func (s *Store) CountWaiting(ctx context.Context, webhookIDs []string) (map[string]int64, error) {
	counts := make(map[string]int64)
	for some := range slices.Chunk(webhookIDs, maxList) {
		query, args, err := sqlx.In(`SELECT webhook_id, count(*) AS n FROM waiting WHERE webhook_id IN (?) GROUP BY webhook_id`, some)
		if err != nil {
			return nil, fmt.Errorf("list ids: %w", err)
		}
		var rows []struct {
			WebhookID string `db:"webhook_id"`
			N         int64  `db:"n"`
		}
		if err := s.Reader.SelectContext(ctx, &rows, s.Reader.Rebind(query), args...); err != nil {
			return nil, s.Explain(ctx, "count waiting deliveries", err)
		}
		for _, row := range rows {
			counts[row.WebhookID] = row.N
		}
	}
	return counts, nil
}

// TotalWaiting implements store.Waiting.
func (s *Store) TotalWaiting(ctx context.Context) (int64, error) {
	var n int64
	if err := s.Reader.GetContext(ctx, &n, `SELECT count(*) FROM waiting`); err != nil {
		return 0, s.Explain(ctx, "count all waiting deliveries", err)
	}
	return n, nil
}

// ForgetWaiting implements store.Waiting.
func (s *Store) ForgetWaiting(ctx context.Context, webhookID string, sequence uint64) error {
	const forget = `DELETE FROM waiting WHERE webhook_id = ? AND event_sequence = ?`
	_, err := s.Writer.ExecContext(ctx, s.Writer.Rebind(forget), webhookID, int64(sequence)) //nolint:gosec // a stream's sequence stays below 2^63
	return s.Explain(ctx, "forget a delivery that waits for webhook "+webhookID, err)
}

// DropWaiting implements store.Waiting.
func (s *Store) DropWaiting(ctx context.Context, webhookID string) error {
	return s.DeleteInSteps(ctx, `DELETE FROM waiting WHERE webhook_id = ? AND event_sequence IN (
		SELECT event_sequence FROM waiting WHERE webhook_id = ? LIMIT ?)`, webhookID, webhookID, PruneStep)
}

// PruneWaiting removes the deliveries of events that were accepted before.
func (s *Store) PruneWaiting(ctx context.Context, before time.Time) error {
	return s.DeleteInSteps(ctx, `DELETE FROM waiting WHERE (webhook_id, event_sequence) IN (
		SELECT webhook_id, event_sequence FROM waiting WHERE event_stored < ? LIMIT ?)`, s.Dialect.Param(recordable(before)), PruneStep)
}
