package resources

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dialnote/webhooks/pkg/backoff"
	"github.com/dialnote/webhooks/pkg/store"
)

const (
	// clockEvery is how often the clocks are compared.
	clockEvery = 10 * time.Second

	// mostSkew is how far a replica's clock may be off. What is decided about events
	// and webhooks takes the database's time anyway; what does not, like the age of a
	// certificate, is wrong beyond this.
	mostSkew = 30 * time.Second
)

// clocks is the part of the store that knows the database's clock.
type clocks interface {
	store.Clocks
	Clock(ctx context.Context) (time.Time, error)
}

// compareClocks compares this machine's clock with the database's until ctx ends.
// While the database is away the last comparison counts.
func compareClocks(ctx context.Context, db clocks) {
	for ctx.Err() == nil {
		_, _ = db.Clock(ctx) // the check of the database says what is wrong with it
		backoff.Sleep(ctx, clockEvery)
	}
}

// SkewError says that this machine's clock is too far off.
type SkewError struct{ Ahead time.Duration }

// Error says what to do.
func (e *SkewError) Error() string {
	direction := "ahead of"
	if e.Ahead < 0 {
		direction = "behind"
	}
	return fmt.Sprintf("this machine's clock is %s %s the database's: have both keep their time by NTP", e.Ahead.Abs().Round(time.Second), direction)
}

// checkClock returns a *SkewError while the clocks differ by too much.
func checkClock(db store.Clocks) func(context.Context) error {
	return func(context.Context) error {
		if skew := db.Skew(); skew.AtLeast(mostSkew) {
			return &SkewError{skew.Ahead}
		}
		return nil
	}
}

// newClockGauge returns the skew as a metric.
func newClockGauge(db store.Clocks) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "dialnote_clock_ahead_seconds",
		Help: "How far this machine's clock is ahead of the database's, negative when it is behind.",
	}, func() float64 { return db.Skew().Ahead.Seconds() })
}
