package sqlstore

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
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

// HourRow is a row of outcome_hours, or what is to be added to one.
type HourRow struct {
	WebhookID string    `db:"webhook_id" json:"webhook_id"`
	Hour      Timestamp `db:"hour" json:"hour"`
	Succeeded int64     `db:"succeeded" json:"succeeded"`
	Failed    int64     `db:"failed" json:"failed"`
	Skipped   int64     `db:"skipped" json:"skipped"`
	Reasons   tally     `db:"reasons" json:"reasons"` // of the failed requests
	Took      tally     `db:"took" json:"took"`       // milliseconds of all requests, as rounded says
}

// hourCounts is what is to be added to outcome_hours.
type hourCounts map[webhookHour]*HourRow

// of returns the row of the hour in which at lies.
func (c hourCounts) of(webhookID string, at time.Time) *HourRow {
	key := webhookHour{webhookID, at.UTC().Truncate(time.Hour)}
	if c[key] == nil {
		c[key] = &HourRow{WebhookID: key.webhookID, Hour: Timestamp{key.start}, Reasons: tally{}, Took: tally{}}
	}
	return c[key]
}

// add counts a row of the log.
func (c hourCounts) add(row *AttemptRow) {
	result := delivery.Result(row.Result)
	if row.Test || result == delivery.Deferred { // what waits is counted when it has ended
		return
	}
	h := c.of(row.WebhookID, row.StartedAt.Time)
	switch result {
	case delivery.Succeeded:
		h.Succeeded++
	case delivery.Failed:
		h.Failed++
		h.Reasons[row.Reason]++
	case delivery.Skipped:
		h.Skipped++
	case delivery.Deferred:
	}
	if row.Number > 0 {
		h.Took[strconv.FormatInt(rounded(row.Total), 10)]++
	}
}

// countRows adds what is new in the log to the hours of its webhooks.
func (s *Store) countRows(ctx context.Context, tx *sqlx.Tx, rows []AttemptRow) error {
	counts := make(hourCounts)
	for i := range rows {
		counts.add(&rows[i])
	}
	return s.addHours(ctx, tx, counts)
}

// addHours adds counts to the hours. The webhooks' rows are locked, so that two
// batches never wait for each other here, and what is read stays true until it is
// written.
func (s *Store) addHours(ctx context.Context, tx *sqlx.Tx, counts hourCounts) error {
	keys := slices.SortedFunc(maps.Keys(counts), func(a, b webhookHour) int {
		return cmp.Or(strings.Compare(a.webhookID, b.webhookID), a.start.Compare(b.start))
	})
	for chunk := range slices.Chunk(keys, maxList) {
		if err := s.addTallies(ctx, tx, chunk, counts); err != nil {
			return fmt.Errorf("read outcomes of the hour: %w", err)
		}
		rows := make([]HourRow, len(chunk))
		for i, key := range chunk {
			rows[i] = *counts[key]
		}
		if err := s.Dialect.WriteHours(ctx, tx, rows); err != nil {
			return fmt.Errorf("count outcomes: %w", err)
		}
	}
	return nil
}

// addTallies adds the tallies that the hours have so far to those that are to be
// written. No database adds such texts itself.
func (s *Store) addTallies(ctx context.Context, tx *sqlx.Tx, keys []webhookHour, counts hourCounts) error {
	ids, hours := make(map[string]bool), make(map[time.Time]bool)
	for _, key := range keys {
		ids[key.webhookID], hours[key.start] = true, true
	}
	times := make([]any, 0, len(hours))
	for start := range hours {
		times = append(times, s.Dialect.Time(start))
	}
	const some = `SELECT webhook_id, hour, reasons, took FROM outcome_hours WHERE webhook_id IN (?) AND hour IN (?)`
	query, args, err := sqlx.In(some, slices.Collect(maps.Keys(ids)), times)
	if err != nil {
		return err //nolint:wrapcheck // The caller names the operation.
	}
	var rows []HourRow
	if err := tx.SelectContext(ctx, &rows, tx.Rebind(query), args...); err != nil {
		return err //nolint:wrapcheck // The caller names the operation.
	}
	for _, row := range rows {
		if h := counts[webhookHour{row.WebhookID, row.Hour.Time}]; h != nil {
			h.Reasons.add(row.Reasons)
			h.Took.add(row.Took)
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
	var rows []HourRow
	err := s.LogReader.SelectContext(ctx, &rows, s.LogReader.Rebind(hours), organizationID, s.Dialect.Time(since), s.Dialect.Param(ceiling(until)))
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
