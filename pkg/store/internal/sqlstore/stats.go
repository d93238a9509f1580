package sqlstore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/store"
)

// outcomesRow counts the rows of one hour with one outcome.
type outcomesRow struct {
	Hour   Timestamp `db:"hour"`
	Result string    `db:"result"`
	Reason string    `db:"reason"`
	Rows   int64     `db:"n"`
}

// latencyRow counts the requests that took so many LatencyResolutions, begun
// ones included.
type latencyRow struct {
	Took     int64 `db:"took"`
	Requests int64 `db:"n"`
}

// Stats implements store.Log. Latencies are counted by the millisecond and not
// sorted: that is exact to what is shown, and needs the memory of the longest
// attempt and not of the busiest webhook.
func (s *Store) Stats(ctx context.Context, organizationID, webhookID string, since, until time.Time) (store.Stats, error) {
	const (
		op    = "count outcomes"
		these = ` FROM attempts WHERE webhook_id = ? AND started_at >= ? AND started_at < ? AND NOT test`
	)
	if err := s.mustHave(ctx, organizationID, webhookID); err != nil {
		return store.Stats{}, s.Explain(ctx, op, err)
	}
	since = since.UTC().Truncate(time.Hour)
	args := []any{webhookID, s.Dialect.Time(since), s.Dialect.Param(ceiling(until))}
	var outcomes []outcomesRow
	byHour := `SELECT ` + s.Dialect.Hour + ` AS hour, result, reason, count(*) AS n` + these + ` GROUP BY 1, 2, 3`
	if err := s.Reader.SelectContext(ctx, &outcomes, s.Reader.Rebind(byHour), args...); err != nil {
		return store.Stats{}, s.Explain(ctx, op, err)
	}
	var took []latencyRow
	const byTime = `SELECT (total_ns + 999999) / 1000000 AS took, count(*) AS n` + these + ` AND number > 0 GROUP BY 1`
	if err := s.Reader.SelectContext(ctx, &took, s.Reader.Rebind(byTime), args...); err != nil {
		return store.Stats{}, s.Explain(ctx, op, err)
	}
	stats := store.Stats{Hours: hoursOf(since, until), Reasons: map[delivery.Reason]int64{}, Latency: latency(took)}
	for _, o := range outcomes {
		addOutcomes(stats, o)
	}
	return stats, nil
}

// hoursOf returns the hours from a whole one to the one before until, without
// outcomes.
func hoursOf(since, until time.Time) []store.HourStats {
	var hours []store.HourStats
	for start := since; start.Before(until); start = start.Add(time.Hour) {
		hours = append(hours, store.HourStats{Start: start})
	}
	return hours
}

func addOutcomes(stats store.Stats, o outcomesRow) {
	hour := &stats.Hours[o.Hour.Sub(stats.Hours[0].Start)/time.Hour]
	switch delivery.Result(o.Result) {
	case delivery.Succeeded:
		hour.Succeeded += o.Rows
	case delivery.Failed:
		hour.Failed += o.Rows
		stats.Reasons[delivery.Reason(o.Reason)] += o.Rows
	case delivery.Skipped:
		hour.Skipped += o.Rows
	case delivery.Deferred: // it waits, and is counted when it has ended
	}
}

// latency returns the percentiles of requests counted by the time they took.
func latency(took []latencyRow) store.Latency {
	slices.SortFunc(took, func(a, b latencyRow) int { return cmp.Compare(a.Took, b.Took) })
	var l store.Latency
	for _, row := range took {
		l.Requests += row.Requests
	}
	rank := func(percent int64) time.Duration {
		before := (l.Requests*percent + 99) / 100 // how many of all may not take longer
		for _, row := range took {
			if before -= row.Requests; before <= 0 {
				return time.Duration(row.Took) * store.LatencyResolution
			}
		}
		return 0
	}
	l.P50, l.P95, l.P99 = rank(50), rank(95), rank(99)
	return l
}
