package sqlite

import (
	"context"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/store/internal/sqlstore"
)

const sizeInUse = `SELECT (SELECT page_count FROM pragma_page_count) * page_size - (SELECT freelist_count FROM pragma_freelist_count) * page_size FROM pragma_page_size`

// MeasureLog implements store.LogSize.
func (s *Store) MeasureLog(ctx context.Context) (int64, time.Time, error) {
	var bytes int64
	var oldest sqlstore.Timestamp
	if err := s.LogReader.GetContext(ctx, &bytes, sizeInUse); err != nil {
		return 0, time.Time{}, s.Explain(ctx, "measure the log", err)
	}
	err := s.LogReader.GetContext(ctx, &oldest, `SELECT min(started_at) FROM attempts`)
	return bytes, oldest.Truncate(24 * time.Hour), s.Explain(ctx, "look for the oldest attempt", err)
}

// ShortenLog implements store.LogSize. The file stays as large as it is, and what is
// free in it is used first.
func (s *Store) ShortenLog(ctx context.Context, now time.Time, bytes int64) (bool, error) {
	const op = "shorten the log"
	const remove = `DELETE FROM attempts WHERE rowid IN (SELECT rowid FROM attempts WHERE started_at < ? ORDER BY started_at LIMIT ?)`
	before := s.Dialect.Time(delivery.Recordable(now.Add(-store.LogKept)))
	for shortened := false; ; shortened = true {
		var used int64
		if err := s.Writer.GetContext(ctx, &used, sizeInUse); err != nil || used <= bytes {
			return shortened, s.Explain(ctx, op, err)
		}
		result, err := s.Writer.ExecContext(ctx, remove, before, sqlstore.PruneStep)
		if err != nil {
			return shortened, s.Explain(ctx, op, err)
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return shortened, s.Explain(ctx, op, err)
		}
	}
}
