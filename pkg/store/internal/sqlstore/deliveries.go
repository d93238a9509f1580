package sqlstore

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// endOfTime is after everything that is recorded, and before what the databases
// cannot write.
var endOfTime = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC) //nolint:gochecknoglobals // a constant

// maxList is how many values one IN list holds: far below the databases'
// limits, so that the statement stays cheap to plan.
const maxList = 1000

// Record implements store.Deliveries.
func (s *Store) Record(ctx context.Context, policy delivery.Policy, attempts []delivery.Attempt) ([]delivery.Step, error) {
	if len(attempts) == 0 {
		return nil, nil
	}
	makeStorable(attempts)
	var steps []delivery.Step
	repeated := false // an earlier call wrote some of these attempts, and its answer was lost
	record := func() error {
		return s.transact(ctx, "record attempts", func() error {
			return s.transactOn(ctx, func(conn *sqlx.Conn, tx *sqlx.Tx) error {
				current, err := s.lockAll(ctx, tx, attempts)
				if err != nil {
					return err
				}
				// The time is read with the locks: the others cannot have known before.
				steps = delivery.Fold(policy, current, attempts, s.Now())
				return s.write(ctx, conn, tx, current, steps, repeated)
			})
		})
	}
	err := record()
	if err != nil && s.Dialect.Repeated(err) {
		repeated = true
		err = record()
	}
	if err != nil {
		return nil, err
	}
	return steps, nil
}

// makeStorable removes from attempts what a text column refuses.
func makeStorable(attempts []delivery.Attempt) {
	for i := range attempts {
		a := &attempts[i]
		a.URL = storableText(a.URL)
		a.Outcome.Message = storableText(a.Outcome.Message)
		a.Outcome.Response.Encoding = storableText(a.Outcome.Response.Encoding)
		a.Outcome.RemoteAddr = storableText(a.Outcome.RemoteAddr)
	}
}

// lockAll reads the webhooks of a batch for the rest of the transaction, in the
// order of their ids, so that two batches that share webhooks do not deadlock.
// Secrets stay sealed: no outcome depends on them.
func (s *Store) lockAll(ctx context.Context, tx *sqlx.Tx, attempts []delivery.Attempt) (map[string]webhook.Webhook, error) {
	ids := make(map[string]bool)
	for _, a := range attempts {
		ids[a.WebhookID] = true
	}
	found := make(map[string]webhook.Webhook, len(ids))
	for chunk := range slices.Chunk(slices.Sorted(maps.Keys(ids)), maxList) {
		const some = `SELECT ` + openColumns + ` FROM webhooks WHERE id IN (?) ORDER BY id`
		query, args, err := sqlx.In(some+s.Dialect.ForUpdate, chunk)
		if err != nil {
			return nil, fmt.Errorf("list ids: %w", err)
		}
		var rows []WebhookRow
		if err := tx.SelectContext(ctx, &rows, tx.Rebind(query), args...); err != nil {
			return nil, fmt.Errorf("lock webhooks: %w", err)
		}
		for _, row := range rows {
			if found[row.ID], err = row.unsealed(); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

// write writes what the steps changed: each webhook once, however many
// attempts it had.
func (s *Store) write(ctx context.Context, conn *sqlx.Conn, tx *sqlx.Tx, current map[string]webhook.Webhook, steps []delivery.Step, repeated bool) error {
	after, removed := outcome(steps)
	var health []WebhookRow
	for _, id := range slices.Sorted(maps.Keys(after)) {
		if reflect.DeepEqual(current[id].Health, after[id].Health) && current[id].Waiting == after[id].Waiting {
			continue
		}
		row, err := healthRow(*after[id])
		if err != nil {
			return err
		}
		health = append(health, row)
	}
	if len(health) > 0 {
		if err := s.Dialect.WriteHealth(ctx, tx, health); err != nil {
			return fmt.Errorf("update health: %w", err)
		}
	}
	if err := s.writeWaiting(ctx, tx, steps, after); err != nil {
		return err
	}
	for _, id := range removed {
		if err := removeWebhook(ctx, tx, id); err != nil {
			return fmt.Errorf("remove webhook %s: %w", id, err)
		}
	}
	if err := addNoticesOf(ctx, tx, steps); err != nil {
		return err
	}
	if err := s.addEntriesOf(ctx, tx, steps); err != nil {
		return err
	}
	return s.writeLog(ctx, conn, tx, steps, after, repeated)
}

// outcome returns the webhooks as the steps left them, and the ids of those
// that they removed, in order.
func outcome(steps []delivery.Step) (after map[string]*webhook.Webhook, removed []string) {
	after = make(map[string]*webhook.Webhook)
	for _, step := range steps {
		if !step.Found {
			continue
		}
		id := step.Attempt.WebhookID
		after[id] = step.After
		if step.Decision.Action == delivery.Remove {
			delete(after, id)
			removed = append(removed, id)
		}
	}
	slices.Sort(removed)
	return after, removed
}

// writeLog writes the attempts of the webhooks that are left.
func (s *Store) writeLog(ctx context.Context, conn *sqlx.Conn, tx *sqlx.Tx, steps []delivery.Step, left map[string]*webhook.Webhook, repeated bool) error {
	rows := make([]AttemptRow, 0, len(steps))
	for i := range steps {
		step := &steps[i]
		if _, kept := left[step.Attempt.WebhookID]; !step.Found || !kept {
			continue
		}
		row, err := attemptRow(step)
		if err != nil {
			return err
		}
		rows = append(rows, row)
	}
	if repeated {
		var err error
		if rows, err = withoutRecorded(ctx, tx, rows); err != nil {
			return err
		}
	}
	if len(rows) == 0 {
		return nil
	}
	if err := s.Dialect.WriteAttempts(ctx, conn, tx, rows); err != nil {
		return fmt.Errorf("insert attempts: %w", err)
	}
	return s.countRows(ctx, tx, rows)
}

// withoutRecorded returns the rows that the log does not hold yet, each once.
func withoutRecorded(ctx context.Context, tx *sqlx.Tx, rows []AttemptRow) ([]AttemptRow, error) {
	seen := make(map[string]bool, len(rows))
	for chunk := range slices.Chunk(rows, maxList) {
		ids := make([]string, 0, len(chunk))
		for _, row := range chunk {
			ids = append(ids, row.ID)
		}
		query, args, err := sqlx.In(`SELECT id FROM attempts WHERE id IN (?)`, ids)
		if err != nil {
			return nil, fmt.Errorf("list ids: %w", err)
		}
		var have []string
		if err := tx.SelectContext(ctx, &have, tx.Rebind(query), args...); err != nil {
			return nil, fmt.Errorf("look for attempts: %w", err)
		}
		for _, id := range have {
			seen[id] = true
		}
	}
	fresh := make([]AttemptRow, 0, len(rows))
	for _, row := range rows {
		if !seen[row.ID] {
			fresh = append(fresh, row)
		}
		seen[row.ID] = true
	}
	return fresh, nil
}

// Progress implements store.Deliveries.
func (s *Store) Progress(ctx context.Context, deliveryIDs []string, within delivery.TimeRange) (map[string]delivery.Progress, error) {
	from, to := within.From, within.To
	if from.IsZero() {
		from = time.Unix(0, 0)
	}
	if to.IsZero() {
		to = endOfTime
	}
	found := make(map[string]delivery.Progress, len(deliveryIDs))
	for chunk := range slices.Chunk(deliveryIDs, maxList) {
		var rows []struct {
			DeliveryID  string `db:"delivery_id"`
			Attempts    int    `db:"attempts"`
			LastSuccess int    `db:"last_success"`
			Sequence    int64  `db:"event_sequence"`
		}
		if err := s.Reader.SelectContext(ctx, &rows, s.Dialect.Progress, s.Dialect.List(chunk), s.Dialect.Time(from), s.Dialect.Time(to)); err != nil {
			return nil, s.Explain(ctx, "select progress", err)
		}
		for _, row := range rows {
			found[row.DeliveryID] = delivery.Progress{
				Attempts: row.Attempts, Delivered: row.LastSuccess > 0, LastSuccess: row.LastSuccess,
				EventSequence: uint64(row.Sequence), //nolint:gosec // it was one when it was written
			}
		}
	}
	return found, nil
}

// Attempts implements store.Deliveries. The log of a deleted webhook may still
// be there; it is not shown.
func (s *Store) Attempts(ctx context.Context, organizationID, webhookID, deliveryID string) ([]store.LoggedAttempt, error) {
	const attempts = `SELECT ` + AttemptColumns + ` FROM attempts a
		WHERE delivery_id = ? AND webhook_id = ? AND organization_id = ?
		AND EXISTS (SELECT 1 FROM webhooks w WHERE w.id = a.webhook_id AND w.organization_id = a.organization_id)
		ORDER BY started_at, id`
	var rows []AttemptRow
	err := s.Reader.SelectContext(ctx, &rows, s.Reader.Rebind(attempts), deliveryID, webhookID, organizationID)
	if err != nil {
		return nil, s.Explain(ctx, "select attempts of delivery "+deliveryID, err)
	}
	if len(rows) == 0 {
		return nil, deliveryNotFound()
	}
	list := make([]store.LoggedAttempt, 0, len(rows))
	for _, row := range rows {
		a, err := row.logged()
		if err != nil {
			return nil, err
		}
		list = append(list, a)
	}
	return list, nil
}
