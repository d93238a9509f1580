package sqlstore

import (
	"context"
	"time"
)

// PruneStep is how many rows one statement of Prune deletes, so that it holds its
// locks, and in SQLite the whole database, for some milliseconds only.
const PruneStep = 1000

// DeleteInSteps runs a statement that deletes a bounded number of rows until
// there is nothing left to delete. Other writers get their turn in between.
func (s *Store) DeleteInSteps(ctx context.Context, statement string, args ...any) error {
	for {
		result, err := s.Writer.ExecContext(ctx, s.Writer.Rebind(statement), args...)
		if err != nil {
			return s.Explain(ctx, "prune", err)
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return s.Explain(ctx, "prune", err)
		}
	}
}

// PruneRemoved removes the log of deleted webhooks. The statement deletes at
// most so many attempts (its second parameter) of a webhook (its first).
func (s *Store) PruneRemoved(ctx context.Context, statement string) error {
	var ids []string
	if err := s.Reader.SelectContext(ctx, &ids, `SELECT id FROM removed_webhooks ORDER BY id`); err != nil {
		return s.Explain(ctx, "list removed webhooks", err)
	}
	for _, id := range ids {
		if err := s.DeleteInSteps(ctx, statement, id, PruneStep); err != nil {
			return err
		}
		// Nothing can be added: recording finds no webhook.
		const forget = `DELETE FROM removed_webhooks WHERE id = ?`
		if _, err := s.Writer.ExecContext(ctx, s.Writer.Rebind(forget), id); err != nil {
			return s.Explain(ctx, "forget removed webhook "+id, err)
		}
	}
	return nil
}

// PruneIdempotency removes the claims made before.
func (s *Store) PruneIdempotency(ctx context.Context, before time.Time) error {
	return s.DeleteInSteps(ctx, `DELETE FROM idempotency_keys WHERE key IN (
		SELECT key FROM idempotency_keys WHERE claimed_at < ? LIMIT ?)`, s.Dialect.Param(recordable(before)), PruneStep)
}
