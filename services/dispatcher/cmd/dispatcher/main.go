// Command dispatcher consumes events, finds the webhooks they go to, signs and
// delivers, and records the outcomes. Any number of replicas may run.
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

	"github.com/oklog/run"

	"github.com/dialnote/webhooks/pkg/cli"
	"github.com/dialnote/webhooks/pkg/config"
	"github.com/dialnote/webhooks/pkg/doctor"
	"github.com/dialnote/webhooks/pkg/ops"
	"github.com/dialnote/webhooks/pkg/resources"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/trace/export"
	"github.com/dialnote/webhooks/services/dispatcher/app"
)

// opsAddr is where operators find the service unless the settings say.
const opsAddr = ":9091"

func main() {
	os.Exit(theProgram().Main(os.Args[1:], config.Environ(os.Environ()), os.Stdout, os.Stderr))
}

// needed are the settings without which the service does not start.
func needed() []string { return []string{"DATABASE_URL", "NATS_URL", "ENCRYPTION_KEYS"} }

func theProgram() cli.Program {
	return cli.Program{
		Name: "dispatcher", Serve: serve,
		About: "dispatcher delivers events to customers' webhooks and records what came of it.",
		Commands: []cli.Command{
			ops.HealthCommand(opsAddr),
			doctor.Command(doctor.Service{Name: "dispatcher", Needs: needed(), Role: stream.Dispatcher(), Sends: true}),
		},
	}
}

func serve(ctx, hardStop context.Context, environ map[string]string) error {
	settings, err := config.Load(environ, needed()...)
	if err != nil {
		return err
	}
	settings.OpsAddr = cmp.Or(settings.OpsAddr, opsAddr)
	version := cli.Version()
	log := ops.NewLogger(os.Stderr, settings, "dispatcher", version)
	log.Info("starting", slog.Any("settings", settings))

	tracer, stopTracing, err := export.Open(ctx, environ, "dispatcher", version, log)
	if err != nil {
		return err
	}
	defer stopTracing()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", settings.OpsAddr)
	if err != nil {
		return fmt.Errorf("%sOPS_ADDR: %w", config.Prefix, err)
	}
	log.Info("listening", slog.String("for", "operators"), slog.String("addr", listener.Addr().String()))

	health, registry := ops.NewHealth(), ops.NewRegistry()
	if err := ops.Observe(registry, health, "dispatcher"); err != nil {
		return err
	}
	connections := ops.NewConnections("ops_connections", nil)
	registry.MustRegister(connections)
	defer cli.HoldBallast()()
	var group run.Group
	opsCtx, stopOps := context.WithCancel(context.WithoutCancel(ctx))
	group.Add(func() error {
		handler := ops.Handler(health, registry)
		if settings.Profiles {
			handler = ops.WithProfiles(handler)
		}
		return ops.Serve(opsCtx, listener, connections, handler, time.Second)
	}, func(error) { stopOps() })
	workCtx, stopWork := context.WithCancel(ctx)
	group.Add(func() error {
		sender, err := app.NewSender(settings, version)
		if err != nil {
			return err
		}
		b, err := resources.Open(workCtx, settings, resources.NATS(settings, "dispatcher"), health, log)
		if err != nil {
			return ended(ctx, err)
		}
		defer b.Close(log)
		if err := b.Observe(registry); err != nil {
			return err
		}
		cfg := app.FromSettings(settings)
		cfg.Quotas = b.Quotas
		return app.New(cfg, app.Dependencies{
			Store: b.Store, Stream: b.Stream, Sender: sender, Log: log, Registry: registry, Health: health, Tracer: tracer,
		}).Run(workCtx, hardStop)
	}, func(error) { stopWork() })
	return group.Run()
}

// ended returns nil for an error that only says that the program was asked to
// stop.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
