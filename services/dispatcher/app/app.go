// Package app wires the dispatcher: the same for its own program, for
// standalone, and for end-to-end tests.
package app

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/egress"
	"github.com/dialnote/webhooks/pkg/ops"
	"github.com/dialnote/webhooks/pkg/quota"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/trace"
	"github.com/dialnote/webhooks/services/dispatcher/internal/metrics"
)

// recordGrace is what a stop allows, beyond the deadline of an attempt, for
// recording and acknowledging.
const recordGrace = 5 * time.Second

// Config is what the operator may choose.
type Config struct {
	Policy             delivery.Policy
	DeliveryTimeout    time.Duration // one attempt's deadline
	MaxInFlight        int           // attempts at once
	WebhookMaxInFlight int           // attempts at once, of one webhook
	Retention          time.Duration // how old an event may be to be sent
	AuditRetention     time.Duration // how old an entry of the audit log may be
	Quotas             quota.Limits  // of each organization
	LogMaxBytes        int64         // of the log, 0 for no bound
}

// Dependencies are what the dispatcher works with. The caller closes them after
// Run has returned.
type Dependencies struct {
	Store    store.Store
	Stream   *stream.Conn // whose streams exist
	Sender   *egress.Client
	Log      *slog.Logger
	Registry prometheus.Registerer
	Health   *ops.Health
	Tracer   *trace.Tracer // nil for none
}

// App is one dispatcher replica.
type App struct {
	cfg     Config
	deps    Dependencies
	replica string
	metrics *metrics.Metrics
}

// New returns a replica that is not running yet.
func New(cfg Config, deps Dependencies) *App {
	return &App{
		cfg: cfg, deps: deps,
		replica: ulid.Make().String(),
		metrics: metrics.New(deps.Registry),
	}
}

// Run dispatches until ctx ends, and then stops in two phases. In the first the
// replica pulls nothing more, finishes, records and acknowledges what is in
// flight. The second cuts short what is left: it begins when an attempt's
// deadline and a little more have passed, or when hardStop ends. What is cut
// short is not acknowledged, and so delivered again.
func (a *App) Run(ctx, hardStop context.Context) error {
	parts, err := a.assemble() //nolint:contextcheck // a scrape of the metrics has no context
	if err != nil {
		return err
	}
	work, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	defer context.AfterFunc(hardStop, cut)()
	defer context.AfterFunc(ctx, func() {
		a.deps.Health.Stopping()
		time.AfterFunc(a.cfg.DeliveryTimeout+recordGrace, cut)
	})()

	a.deps.Health.Started()
	a.deps.Log.Info("dispatching", slog.String("replica", a.replica))
	if err := runStages(ctx, parts.stages(work)...); err != nil {
		return fmt.Errorf("stop replica %s: %w", a.replica, err)
	}
	a.deps.Log.Info("stopped", slog.String("replica", a.replica))
	return nil
}
