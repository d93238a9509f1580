package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/store/internal/sqlstore"
)

// Prune implements store.Maintenance. It drops whole partitions; only the
// default partition and deleted webhooks' logs are removed row by row.
func (s *Store) Prune(ctx context.Context, now time.Time, keep store.Retention) error {
	before := now.Add(-keep.Log)
	return errors.Join(
		s.EnsurePartitions(ctx, now),
		s.dropPartitions(ctx, before),
		s.DeleteInSteps(ctx, `DELETE FROM attempts_default WHERE ctid = ANY(ARRAY(
			SELECT ctid FROM attempts_default WHERE started_at < ? LIMIT ?))`, before, sqlstore.PruneStep),
		s.PruneRemoved(ctx, `DELETE FROM attempts a USING (
				SELECT id, started_at FROM attempts WHERE webhook_id = ? ORDER BY started_at LIMIT ?) old
			WHERE a.id = old.id AND a.started_at = old.started_at`),
		s.PruneIdempotency(ctx, before),
		s.PruneRecoveries(ctx, before),
		s.PruneWaiting(ctx, before),
		s.PruneHours(ctx, before),
		s.PruneAccess(ctx, now, now.Add(-keep.Audit)),
		s.PruneAudit(ctx, now.Add(-keep.Audit)),
	)
}

// dropPartitions drops the partitions of the days that ended before.
func (s *Store) dropPartitions(ctx context.Context, before time.Time) error {
	names, err := s.partitions(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		start, err := time.Parse(partitionLayout, name)
		if err != nil {
			continue // an operator's own; not ours to drop
		}
		if start.Add(day).After(before) {
			return nil
		}
		if err := s.dropPartition(ctx, name); err != nil {
			return err
		}
	}
	return nil
}
