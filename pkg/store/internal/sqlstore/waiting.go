package sqlstore

import (
	"cmp"
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
	const waits = `SELECT id, organization_id FROM webhooks WHERE waiting AND auto_disabled = '' AND hold_until ` // in two parts: an index answers each
	const due = `SELECT w.id, w.organization_id FROM (` + waits + `IS NULL UNION ALL ` + waits + `<= ?) w
		LEFT JOIN waiting_leases l ON l.webhook_id = w.id WHERE l.lease_until IS NULL OR l.lease_until <= ? LIMIT ?`
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

// leasesOf selects the leases that a replica has of webhooks, to write them in the
// order of the webhooks' ids, so that two statements do not deadlock.
func (s *Store) leasesOf(holder string, webhookIDs []string) (query string, args []any, err error) {
	query, args, err = sqlx.In(`SELECT webhook_id FROM waiting_leases WHERE webhook_id IN (?) AND lease_holder = ? ORDER BY webhook_id`, webhookIDs, holder)
	if err != nil {
		return "", nil, fmt.Errorf("list ids: %w", err)
	}
	return query + s.Dialect.ForUpdate, args, nil
}

// RenewWaiting implements store.Waiting.
func (s *Store) RenewWaiting(ctx context.Context, holder string, webhookIDs []string, until time.Time) ([]string, error) {
	var renewed []string
	for some := range slices.Chunk(webhookIDs, maxList) {
		leases, args, err := s.leasesOf(holder, some)
		if err != nil {
			return renewed, err
		}
		renew := `UPDATE waiting_leases SET lease_until = ? WHERE webhook_id IN (` + leases + `) RETURNING webhook_id`
		args = append([]any{s.Dialect.Param(recordable(until))}, args...)
		var ids []string
		if err := s.Writer.SelectContext(ctx, &ids, s.Writer.Rebind(renew), args...); err != nil {
			return renewed, s.Explain(ctx, "renew leases of waiting deliveries", err)
		}
		renewed = append(renewed, ids...)
	}
	return renewed, nil
}

// LeaveWaiting implements store.Waiting.
func (s *Store) LeaveWaiting(ctx context.Context, holder string, webhookIDs []string) error {
	for some := range slices.Chunk(webhookIDs, maxList) {
		if err := s.leaveWaiting(ctx, s.Writer, holder, some); err != nil {
			return s.Explain(ctx, "leave what waits for webhooks", err)
		}
	}
	return nil
}

func (s *Store) leaveWaiting(ctx context.Context, on sqlx.ExtContext, holder string, webhookIDs []string) error {
	leases, args, err := s.leasesOf(holder, webhookIDs)
	if err != nil {
		return err
	}
	leave := `DELETE FROM waiting_leases WHERE webhook_id IN (` + leases + `)`
	_, err = on.ExecContext(ctx, s.Writer.Rebind(leave), args...)
	return err //nolint:wrapcheck // The caller names the operation.
}

// FinishWaiting implements store.Waiting. The webhooks' rows are locked before it is
// looked whether deliveries wait, since Record keeps them under the same locks.
func (s *Store) FinishWaiting(ctx context.Context, holder string, webhookIDs []string) ([]string, error) {
	var all []string
	for some := range slices.Chunk(slices.Sorted(slices.Values(webhookIDs)), waitingList) {
		var finished []string
		err := s.Transact(ctx, "finish what waits for webhooks", func(tx *sqlx.Tx) (err error) {
			finished, err = s.finishWaiting(ctx, tx, some)
			if err != nil || len(finished) == 0 {
				return err
			}
			return s.leaveWaiting(ctx, tx, holder, finished)
		})
		if err != nil {
			return all, err
		}
		all = append(all, finished...)
	}
	return all, nil
}

// finishWaiting has it written of webhooks that nothing waits for them, where that is
// so, and returns their ids, and those of webhooks that are gone.
func (s *Store) finishWaiting(ctx context.Context, tx *sqlx.Tx, webhookIDs []string) (finished []string, err error) {
	lock, args, err := sqlx.In(`SELECT id FROM webhooks WHERE id IN (?) ORDER BY id`+s.Dialect.ForUpdate, webhookIDs)
	if err != nil {
		return nil, fmt.Errorf("list ids: %w", err)
	}
	var locked []string
	if err := tx.SelectContext(ctx, &locked, tx.Rebind(lock), args...); err != nil {
		return nil, err //nolint:wrapcheck // Transact names the operation.
	}
	if len(locked) > 0 {
		finish, args, err := sqlx.In(`UPDATE webhooks SET waiting = ? WHERE id IN (?)
			AND NOT EXISTS (SELECT 1 FROM waiting WHERE waiting.webhook_id = webhooks.id) RETURNING id`, false, locked)
		if err != nil {
			return nil, fmt.Errorf("list ids: %w", err)
		}
		if err := tx.SelectContext(ctx, &finished, tx.Rebind(finish), args...); err != nil {
			return nil, err //nolint:wrapcheck // Transact names the operation.
		}
	}
	gone := slices.DeleteFunc(slices.Clone(webhookIDs), func(id string) bool { return slices.Contains(locked, id) })
	return append(finished, gone...), nil
}

// readAtOnce is of how many webhooks one statement reads what waits.
const readAtOnce = 50

// ReadWaiting implements store.Waiting. One select for each webhook, in one
// statement, reads each by the key.
func (s *Store) ReadWaiting(ctx context.Context, of []store.WaitingRead) (map[string][]store.WaitingDelivery, error) {
	const first = `SELECT * FROM (SELECT webhook_id, event_sequence, delivery_id, event_id, event_type, event_stored FROM waiting
		WHERE webhook_id = ? ORDER BY event_sequence LIMIT ?) AS one`
	found := make(map[string][]store.WaitingDelivery)
	for some := range slices.Chunk(of, readAtOnce) {
		args := make([]any, 0, 2*len(some))
		for _, one := range some {
			args = append(args, one.WebhookID, one.AtMost)
		}
		query := first + strings.Repeat(` UNION ALL `+first, len(some)-1)
		var rows []waitingRow
		if err := s.Reader.SelectContext(ctx, &rows, s.Reader.Rebind(query), args...); err != nil {
			return nil, s.Explain(ctx, "read what waits for webhooks", err)
		}
		for _, row := range rows {
			found[row.WebhookID] = append(found[row.WebhookID], row.delivery())
		}
	}
	for _, list := range found { // the databases promise an order of the whole only
		slices.SortFunc(list, func(a, b store.WaitingDelivery) int { return cmp.Compare(a.EventSequence, b.EventSequence) })
	}
	return found, nil
}

type waitingRow struct {
	WebhookID  string    `db:"webhook_id"`
	Sequence   int64     `db:"event_sequence"`
	DeliveryID string    `db:"delivery_id"`
	EventID    string    `db:"event_id"`
	EventType  string    `db:"event_type"`
	Stored     Timestamp `db:"event_stored"`
}

func (row *waitingRow) delivery() store.WaitingDelivery {
	return store.WaitingDelivery{
		ID: row.DeliveryID, WebhookID: row.WebhookID, EventID: row.EventID, EventType: event.Type(row.EventType),
		EventSequence: uint64(row.Sequence), EventStored: row.Stored.Time, Waits: delivery.Waiting, //nolint:gosec // it was one when it was written
	}
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
