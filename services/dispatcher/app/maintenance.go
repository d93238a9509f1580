package app

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/dialnote/webhooks/pkg/store"
)

const (
	// maintenanceEvery is how often the database is pruned, plus or minus a tenth,
	// so that replicas that started together do not all prune at the same time.
	maintenanceEvery = time.Hour

	// maintenanceTimeout bounds one run. The next run prunes what is left.
	maintenanceTimeout = 30 * time.Minute
)

// pruner is the part of the store that maintenance needs.
type pruner interface {
	store.Maintenance
	store.LogSize
	Clock(ctx context.Context) (time.Time, error)
}

// maintenance removes from the database what is older than the retention. Every
// replica does it, without electing one: several at once do no harm.
type maintenance struct {
	store pruner
	keep  store.Retention
	most  int64 // bytes of the log, 0 for no bound
	log   *slog.Logger

	logBytes, logOldest atomic.Int64 // as they were measured last; the oldest in Unix seconds
}

// run prunes at once and then about every hour, until ctx ends. It logs a failure
// and goes on.
func (m *maintenance) run(ctx context.Context) {
	for {
		m.once(ctx)
		select {
		case <-time.After(maintenanceEvery*9/10 + rand.N(maintenanceEvery/5)): //nolint:gosec // jitter needs no secret
		case <-ctx.Done():
			return
		}
	}
}

func (m *maintenance) once(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, maintenanceTimeout)
	defer cancel()
	began := time.Now()
	now, err := m.store.Clock(limited) // not this machine's, which may be days ahead
	if err == nil {
		err = m.store.Prune(limited, now, m.keep)
	}
	if err == nil {
		err = m.shorten(limited, now)
	}
	switch {
	case ctx.Err() != nil: // the replica stops
	case err != nil:
		m.log.Warn("pruning failed, retrying within about an hour", slog.Any("error", err))
	default:
		m.log.Debug("pruned", slog.Duration("took", time.Since(began)))
	}
}

// shorten removes the oldest of the log while it takes more than it may, and measures
// it.
func (m *maintenance) shorten(ctx context.Context, now time.Time) error {
	shortened := false
	if m.most > 0 {
		var err error
		if shortened, err = m.store.ShortenLog(ctx, now, m.most); err != nil {
			return fmt.Errorf("shorten the log: %w", err)
		}
	}
	bytes, oldest, err := m.store.MeasureLog(ctx)
	if err != nil {
		return fmt.Errorf("measure the log: %w", err)
	}
	m.logBytes.Store(bytes)
	m.logOldest.Store(0)
	if !oldest.IsZero() {
		m.logOldest.Store(oldest.Unix())
	}
	attrs := []any{slog.Int64("bytes", bytes), slog.Int64("limit", m.most), slog.Time("since", oldest)}
	switch {
	case m.most > 0 && bytes > m.most:
		m.log.Warn("the delivery log takes more than LOG_MAX_BYTES although nothing older than a day is left, make room or raise it", attrs...)
	case shortened:
		m.log.Warn("the delivery log reached LOG_MAX_BYTES, its oldest entries were removed before the retention", attrs...)
	}
	return nil
}
