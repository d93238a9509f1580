package sqlstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/store"
)

// Stats implements store.Log. What it reads is bounded by the hours, however many
// requests there were.
func (s *Store) Stats(ctx context.Context, organizationID, webhookID string, since, until time.Time) (store.Stats, error) {
	const (
		op    = "read outcomes of webhook"
		hours = `SELECT hour, succeeded, failed, skipped, reasons, took FROM outcome_hours
			WHERE webhook_id = ? AND hour >= ? AND hour < ?`
	)
	if err := s.mustHave(ctx, organizationID, webhookID); err != nil {
		return store.Stats{}, s.Explain(ctx, op, err)
	}
	since = since.UTC().Truncate(time.Hour)
	var rows []HourRow
	err := s.LogReader.SelectContext(ctx, &rows, s.LogReader.Rebind(hours), webhookID, s.Dialect.Time(since), s.Dialect.Param(ceiling(until)))
	if err != nil {
		return store.Stats{}, s.Explain(ctx, op, err)
	}
	stats := store.Stats{Hours: hoursOf(since, until), Reasons: map[delivery.Reason]int64{}}
	took := tally{}
	for _, row := range rows {
		hour := &stats.Hours[row.Hour.Sub(since)/time.Hour]
		hour.Succeeded, hour.Failed, hour.Skipped = row.Succeeded, row.Failed, row.Skipped
		for reason, n := range row.Reasons {
			stats.Reasons[delivery.Reason(reason)] += n
		}
		took.add(row.Took)
	}
	stats.Latency, err = latency(took)
	return stats, err
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

// latencyCount counts the requests that took so many LatencyResolutions.
type latencyCount struct{ took, requests int64 }

// latency returns the percentiles of requests counted by the time they took.
func latency(took tally) (store.Latency, error) {
	var l store.Latency
	counts := make([]latencyCount, 0, len(took))
	for text, n := range took {
		ms, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return l, fmt.Errorf("read how long requests took: %w", err)
		}
		counts = append(counts, latencyCount{took: ms, requests: n})
		l.Requests += n
	}
	slices.SortFunc(counts, func(a, b latencyCount) int { return cmp.Compare(a.took, b.took) })
	rank := func(percent int64) time.Duration {
		before := (l.Requests*percent + 99) / 100 // how many of all may not take longer
		for _, c := range counts {
			if before -= c.requests; before <= 0 {
				return time.Duration(c.took) * store.LatencyResolution
			}
		}
		return 0
	}
	l.P50, l.P95, l.P99 = rank(50), rank(95), rank(99)
	return l, nil
}
