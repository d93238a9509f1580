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
	"github.com/dialnote/webhooks/pkg/store"
)

// webhookHour names a row of outcome_hours.
type webhookHour struct {
	webhookID string
	start     time.Time
}

// countRows adds what is new in the log to the hours of its webhooks.
func (s *Store) countRows(ctx context.Context, tx *sqlx.Tx, rows []AttemptRow) error {
	counts := make(map[webhookHour]store.HourStats)
	for i := range rows {
		if row := &rows[i]; !row.Test {
			addToHour(counts, row.WebhookID, row.StartedAt.Time, delivery.Result(row.Result))
		}
	}
	return s.addHours(ctx, tx, counts)
}

func addToHour(counts map[webhookHour]store.HourStats, webhookID string, at time.Time, result delivery.Result) {
	key := webhookHour{webhookID, at.UTC().Truncate(time.Hour)}
	h := counts[key]
	switch result {
	case delivery.Succeeded:
		h.Succeeded++
	case delivery.Failed:
		h.Failed++
	case delivery.Skipped:
		h.Skipped++
	case delivery.Deferred:
		return // it waits, and is counted when it has ended
	}
	counts[key] = h
}

// addHours adds counts to the hours. The webhooks' rows are locked, so that two
// batches never wait for each other here.
func (s *Store) addHours(ctx context.Context, tx *sqlx.Tx, counts map[webhookHour]store.HourStats) error {
	const insert = `INSERT INTO outcome_hours (webhook_id, hour, succeeded, failed, skipped) VALUES `
	const add = ` ON CONFLICT (webhook_id, hour) DO UPDATE SET succeeded = outcome_hours.succeeded + excluded.succeeded,
		failed = outcome_hours.failed + excluded.failed, skipped = outcome_hours.skipped + excluded.skipped`
	keys := slices.SortedFunc(maps.Keys(counts), func(a, b webhookHour) int {
		return cmp.Or(strings.Compare(a.webhookID, b.webhookID), a.start.Compare(b.start))
	})
	for chunk := range slices.Chunk(keys, maxList) {
		args := make([]any, 0, 5*len(chunk))
		for _, key := range chunk {
			h := counts[key]
			args = append(args, key.webhookID, s.Dialect.Time(key.start), h.Succeeded, h.Failed, h.Skipped)
		}
		values := strings.TrimSuffix(strings.Repeat(`(?, ?, ?, ?, ?), `, len(chunk)), `, `)
		if _, err := tx.ExecContext(ctx, tx.Rebind(insert+values+add), args...); err != nil {
			return fmt.Errorf("count outcomes: %w", err)
		}
	}
	return nil
}

// Activity implements store.Log.
func (s *Store) Activity(ctx context.Context, organizationID string, since, until time.Time) (map[string][]store.HourStats, error) {
	const hours = `SELECT h.webhook_id, h.hour, h.succeeded, h.failed, h.skipped
		FROM webhooks w JOIN outcome_hours h ON h.webhook_id = w.id
		WHERE w.organization_id = ? AND h.hour >= ? AND h.hour < ?`
	since = since.UTC().Truncate(time.Hour)
	var rows []struct {
		WebhookID string    `db:"webhook_id"`
		Hour      Timestamp `db:"hour"`
		Succeeded int64     `db:"succeeded"`
		Failed    int64     `db:"failed"`
		Skipped   int64     `db:"skipped"`
	}
	err := s.Reader.SelectContext(ctx, &rows, s.Reader.Rebind(hours), organizationID, s.Dialect.Time(since), s.Dialect.Param(ceiling(until)))
	if err != nil {
		return nil, s.Explain(ctx, "read outcomes by hour", err)
	}
	activity := make(map[string][]store.HourStats)
	for _, row := range rows {
		if activity[row.WebhookID] == nil {
			activity[row.WebhookID] = hoursOf(since, until)
		}
		hour := &activity[row.WebhookID][row.Hour.Sub(since)/time.Hour]
		hour.Succeeded, hour.Failed, hour.Skipped = row.Succeeded, row.Failed, row.Skipped
	}
	return activity, nil
}

// PruneHours removes the counts of the hours that ended before.
func (s *Store) PruneHours(ctx context.Context, before time.Time) error {
	return s.DeleteInSteps(ctx, `DELETE FROM outcome_hours WHERE (webhook_id, hour) IN (
		SELECT webhook_id, hour FROM outcome_hours WHERE hour < ? LIMIT ?)`, s.Dialect.Param(recordable(before.Add(-time.Hour))), PruneStep)
}
