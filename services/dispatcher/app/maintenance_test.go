package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dialnote/webhooks/pkg/store"
)

// pruned notes when it is asked to prune, and answers with answer.
type pruned struct {
	answer func(ctx context.Context) error
	at     []time.Time
	kept   store.Retention
}

func (p *pruned) Prune(ctx context.Context, now time.Time, keep store.Retention) error {
	p.at, p.kept = append(p.at, now), keep
	return p.answer(ctx)
}

// The log is not bounded in these tests.
func (p *pruned) MeasureLog(context.Context) (int64, time.Time, error) { return 0, time.Time{}, nil }

func (p *pruned) ShortenLog(context.Context, time.Time, int64) (bool, error) {
	return false, errors.New("the log has no bound")
}

// clockAhead is how far the database's clock is from the test's.
const clockAhead = -240 * time.Hour

func (p *pruned) Clock(context.Context) (time.Time, error) { return time.Now().Add(clockAhead), nil }

func retention() store.Retention {
	return store.Retention{Log: 168 * time.Hour, Audit: 9600 * time.Hour}
}

// maintained runs the maintenance for so long and returns what it logged.
func maintained(p *pruned, period time.Duration) string {
	var log bytes.Buffer
	m := &maintenance{store: p, keep: retention(), log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	ctx, cancel := context.WithTimeout(context.Background(), period)
	defer cancel()
	m.run(ctx)
	return log.String()
}

func TestMaintenanceAtStartAndAboutEveryHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &pruned{answer: func(context.Context) error { return nil }}
		begin := time.Now()
		maintained(p, 24*time.Hour)
		if len(p.at) < 21 || len(p.at) > 27 || !p.at[0].Equal(begin.Add(clockAhead)) || p.kept != retention() {
			t.Fatalf("pruned %d times in a day, first after %s, with retention %v", len(p.at), p.at[0].Sub(begin), p.kept)
		}
		gaps := map[time.Duration]bool{}
		for i, at := range p.at[1:] {
			gap := at.Sub(p.at[i])
			if gaps[gap] = true; gap < 54*time.Minute || gap >= 66*time.Minute {
				t.Errorf("pruned again after %s", gap)
			}
		}
		if len(gaps) < 2 {
			t.Error("the pauses are not spread")
		}
	})
}

func TestMaintenanceThatFailsIsLoggedOnceAndGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &pruned{}
		p.answer = func(context.Context) error {
			if len(p.at) == 2 {
				return errors.New("the partition is locked")
			}
			return nil
		}
		if log := maintained(p, 4*time.Hour); strings.Count(log, "level=WARN") != 1 || strings.Count(log, "the partition is locked") != 1 || len(p.at) < 4 {
			t.Errorf("pruned %d times: %s", len(p.at), log)
		}
	})
}

func TestMaintenanceIsBoundedAndEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &pruned{answer: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
		begin := time.Now()
		log := maintained(p, 110*time.Minute)
		if len(p.at) != 2 || strings.Count(log, "level=WARN") != 1 { // the second is cut by the stop, which is no failure
			t.Errorf("pruned %d times: %s", len(p.at), log)
		}
		if took := time.Since(begin); took != 110*time.Minute {
			t.Errorf("it ended %s after its context", took-110*time.Minute)
		}
	})
}
