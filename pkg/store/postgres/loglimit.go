package postgres

import (
	"context"
	"time"

	"github.com/lib/pq"

	"github.com/dialnote/webhooks/pkg/store"
)

// logDay is a partition of the log.
type logDay struct {
	Name  string `db:"relname"`
	Bytes int64  `db:"bytes"`
}

func (s *Store) logDays(ctx context.Context) ([]logDay, error) {
	const sizes = `SELECT c.relname, pg_total_relation_size(c.oid) AS bytes FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = 'attempts'::regclass ORDER BY c.relname`
	var days []logDay
	err := s.LogReader.SelectContext(ctx, &days, sizes)
	return days, s.Explain(ctx, "measure the log", err)
}

// MeasureLog implements store.LogSize.
func (s *Store) MeasureLog(ctx context.Context) (bytes int64, oldest time.Time, err error) {
	days, err := s.logDays(ctx)
	if err != nil {
		return 0, time.Time{}, err
	}
	for _, d := range days {
		bytes += d.Bytes
		start, err := time.Parse(partitionLayout, d.Name)
		if err != nil || !oldest.IsZero() {
			continue
		}
		var there bool
		if err := s.LogReader.GetContext(ctx, &there, `SELECT EXISTS (SELECT FROM `+pq.QuoteIdentifier(d.Name)+`)`); err != nil {
			return 0, time.Time{}, s.Explain(ctx, "look for the oldest attempt", err)
		}
		if there {
			oldest = start
		}
	}
	return bytes, oldest, nil
}

// ShortenLog implements store.LogSize. It drops whole days.
func (s *Store) ShortenLog(ctx context.Context, now time.Time, bytes int64) (bool, error) {
	days, err := s.logDays(ctx)
	if err != nil {
		return false, err
	}
	drop := tooMuch(days, now, bytes)
	for _, name := range drop {
		if err := s.dropPartition(ctx, name); err != nil {
			return true, err
		}
	}
	return len(drop) > 0, nil
}

// tooMuch returns the oldest days, of those that are in order, without which the log
// takes at most so many bytes. Days that ended less than store.LogKept before now are
// not among them.
func tooMuch(days []logDay, now time.Time, bytes int64) (names []string) {
	var sum int64
	for _, d := range days {
		sum += d.Bytes
	}
	for _, d := range days {
		start, err := time.Parse(partitionLayout, d.Name)
		if err != nil {
			continue // the default partition, or an operator's own
		}
		if sum <= bytes || start.Add(day+store.LogKept).After(now) {
			break
		}
		names, sum = append(names, d.Name), sum-d.Bytes
	}
	return names
}
