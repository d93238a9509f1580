// Command dispatcher consumes events, finds the webhooks they go to, signs and
// delivers, and records the outcomes. Any number of replicas may run.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/oklog/run"

	"github.com/dialnote/webhooks/pkg/backbone"
	"github.com/dialnote/webhooks/pkg/config"
	"github.com/dialnote/webhooks/pkg/ops"
	"github.com/dialnote/webhooks/pkg/program"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/services/dispatcher/app"
)

func main() {
	if err := start(); err != nil {
		fmt.Fprintln(os.Stderr, "dispatcher:", err)
		os.Exit(1)
	}
}

func start() error {
	settings, err := config.Load(config.Environ(os.Environ()), "DATABASE_URL", "NATS_URL", "ENCRYPTION_KEYS")
	if err != nil {
		return err
	}
	if settings.OpsAddr == "" {
		settings.OpsAddr = ":9091"
	}
	version := program.Version()
	log := ops.NewLogger(os.Stderr, settings, "dispatcher", version)
	log.Info("starting", slog.Any("settings", settings))

	ctx, now, stop := program.Signals()
	defer stop()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", settings.OpsAddr)
	if err != nil {
		return fmt.Errorf("%sOPS_ADDR: %w", config.Prefix, err)
	}
	log.Info("listening", slog.String("for", "operators"), slog.String("addr", listener.Addr().String()))

	health, registry := ops.NewHealth(), ops.NewRegistry()
	var group run.Group
	opsCtx, stopOps := context.WithCancel(context.WithoutCancel(ctx))
	group.Add(func() error {
		handler := ops.Handler(health, registry)
		if settings.Profiles {
			handler = ops.WithProfiles(handler)
		}
		return ops.Serve(opsCtx, listener, handler, time.Second)
	}, func(error) { stopOps() })
	workCtx, stopWork := context.WithCancel(ctx)
	group.Add(func() error {
		sender, err := app.NewSender(settings, version)
		if err != nil {
			return err
		}
		b, err := backbone.Open(workCtx, settings, stream.Settings{URL: settings.NATSURL, Name: "dispatcher"}, health, log)
		if err != nil {
			return ended(ctx, err)
		}
		defer b.Close(log)
		return app.New(app.FromSettings(settings), app.Dependencies{
			Store: b.Store, Stream: b.Stream, Sender: sender, Log: log, Registry: registry, Health: health,
		}).Run(workCtx, now)
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
