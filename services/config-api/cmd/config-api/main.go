// Command config-api serves the HTTP API: webhooks are managed and events
// published through it. Any number of replicas may run.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dialnote/webhooks/pkg/cli"
	"github.com/dialnote/webhooks/pkg/config"
	"github.com/dialnote/webhooks/pkg/ops"
	"github.com/dialnote/webhooks/pkg/resources"
	"github.com/dialnote/webhooks/pkg/trace"
	"github.com/dialnote/webhooks/pkg/trace/export"
	"github.com/dialnote/webhooks/services/config-api/app"
)

// opsAddr is the default of OPS_ADDR.
const opsAddr = ":9090"

func main() {
	os.Exit(theProgram().Main(os.Args[1:], config.Environ(os.Environ()), os.Stdout, os.Stderr))
}

func serve(ctx, hardStop context.Context, environ map[string]string) error {
	settings, err := config.Load(environ, needed()...)
	if err != nil {
		return err
	}
	settings.OpsAddr = cmp.Or(settings.OpsAddr, opsAddr)
	log := ops.NewLogger(os.Stderr, settings, "config-api", cli.Version())
	log.Info("starting", slog.Any("settings", settings))

	tracer, stopTracing, err := export.Open(ctx, environ, "config-api", cli.Version(), log)
	if err != nil {
		return err
	}
	defer stopTracing()
	public, err := listen(ctx, log, "HTTP_ADDR", settings.HTTPAddr)
	if err != nil {
		return err
	}
	operators, err := listen(ctx, log, "OPS_ADDR", settings.OpsAddr)
	if err != nil {
		return err
	}
	p := &process{settings: settings, log: log, health: ops.NewHealth(), registry: ops.NewRegistry(), tracer: tracer}
	if err := ops.Observe(p.registry, p.health, "config-api"); err != nil {
		return err
	}
	defer cli.HoldBallast()()
	return p.run(ctx, hardStop, public, operators)
}

func listen(ctx context.Context, log *slog.Logger, setting, addr string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%s%s: %w", config.Prefix, setting, err)
	}
	log.Info("listening", slog.String("for", setting), slog.String("addr", l.Addr().String()))
	return l, nil
}

type process struct {
	settings config.Settings
	log      *slog.Logger
	health   *ops.Health
	registry *prometheus.Registry
	tracer   *trace.Tracer
}

// run serves until ctx ends and the requests in progress are answered, or until
// hardStop ends. It serves health and metrics from the first moment to the last.
func (p *process) run(ctx, hardStop context.Context, public, operators net.Listener) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	opsCtx, stopOps := context.WithCancel(context.WithoutCancel(ctx))
	defer stopOps()
	atPublic, atOperators := ops.NewConnections("connections", p.settings.TrustedProxies), ops.NewConnections("ops_connections", nil)
	p.registry.MustRegister(atPublic, atOperators)
	go func() {
		handler := ops.Handler(p.health, p.registry)
		if p.settings.Profiles {
			handler = ops.WithProfiles(handler)
		}
		if err := ops.Serve(opsCtx, operators, atOperators, handler, time.Second); err != nil {
			fail(err)
		}
	}()
	gate := app.NewGate(p.health, p.registry)
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		if err := gate.Run(ctx, public, atPublic, p.settings.DrainDelay); err != nil {
			fail(err)
		}
	}()
	closeParts, err := p.open(ctx, gate)
	if err != nil {
		return ended(ctx, err)
	}
	defer closeParts()
	select {
	case <-drained:
	case <-hardStop.Done():
	}
	return ended(ctx, context.Cause(ctx))
}

// open opens the gate once the database and the broker are there.
func (p *process) open(ctx context.Context, gate *app.Gate) (closeParts func(), err error) {
	cfg, checkURL, err := app.FromSettings(p.settings)
	if err != nil {
		return nil, err
	}
	b, err := resources.Open(ctx, p.settings, resources.NATS(p.settings, "config-api"), p.health, p.log)
	if err != nil {
		return nil, err
	}
	cfg.Quotas = b.Quotas
	if err := b.Observe(p.registry); err != nil {
		b.Close(p.log)
		return nil, err
	}
	fleet, err := b.Stream.WatchFleet()
	if err != nil {
		b.Close(p.log)
		return nil, err
	}
	closeResources := func() {
		fleet.Close()
		b.Close(p.log)
	}
	a, err := app.New(cfg, app.Dependencies{ //nolint:contextcheck // each request has its own
		Store: b.Store, Stream: b.Stream, Fleet: fleet, Box: b.Box, CheckURL: checkURL,
		Health: p.health, Registry: p.registry, Now: time.Now, Log: p.log, Tracer: p.tracer,
	})
	if err != nil {
		closeResources()
		return nil, err
	}
	stopRunning := p.background(ctx, a)
	gate.Open(a.Handler())
	p.health.Started()
	return func() {
		stopRunning()
		closeResources()
	}, nil
}

// background runs App.Run until ctx ends or stop is called. stop waits for it.
func (p *process) background(ctx context.Context, a *app.App) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := a.Run(ctx); err != nil {
			p.log.Error("watching changes failed", slog.Any("error", err))
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}

// ended returns nil for an error whose cause is only that the program stops.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
