package app

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/dialnote/webhooks/pkg/store"
)

const (
	// maintenanceEvery is how often the database is looked after, give or take
	// a tenth, so that replicas that started together do not meet for ever.
	maintenanceEvery = time.Hour

	// maintenanceTime bounds one time. What is left waits for the next.
	maintenanceTime = 30 * time.Minute
)

// maintenance removes from the database what is older than the retention. It
// goes on in every replica: several at once are harmless, and nobody has to be
// elected.
type maintenance struct {
	store store.Maintenance
	keep  store.Retention
	log   *slog.Logger
}

// run does it at once and then about every hour, until ctx ends. A failure is
// logged and is nobody else's trouble.
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
	limited, cancel := context.WithTimeout(ctx, maintenanceTime)
	defer cancel()
	began := time.Now()
	err := m.store.Prune(limited, began, m.keep)
	switch {
	case ctx.Err() != nil: // it was told to stop
	case err != nil:
		m.log.Warn("the log was not pruned completely; the rest is tried again within about an hour", slog.Any("error", err))
	default:
		m.log.Debug("log pruned", slog.Duration("took", time.Since(began)))
	}
}
