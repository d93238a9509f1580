package app

import (
	"context"
	"log/slog"
	"math/rand/v2"
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
	Clock(ctx context.Context) (time.Time, error)
}

// maintenance removes from the database what is older than the retention. Every
// replica does it, without electing one: several at once do no harm.
type maintenance struct {
	store pruner
	keep  store.Retention
	log   *slog.Logger
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
	switch {
	case ctx.Err() != nil: // the replica stops
	case err != nil:
		m.log.Warn("pruning failed, retrying within about an hour", slog.Any("error", err))
	default:
		m.log.Debug("pruned", slog.Duration("took", time.Since(began)))
	}
}
