// Command standalone runs the whole system in one process, with NATS and SQLite
// inside. With --demo it also runs a receiver and made-up traffic; as "standalone
// healthcheck" it asks the running one whether it is ready.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/dialnote/webhooks/pkg/cli"
	"github.com/dialnote/webhooks/pkg/config"
	"github.com/dialnote/webhooks/pkg/ops"
	"github.com/dialnote/webhooks/pkg/trace/export"
	"github.com/dialnote/webhooks/services/standalone/app"
)

func main() {
	if err := start(); err != nil {
		fmt.Fprintln(os.Stderr, "standalone:", err)
		os.Exit(1)
	}
}

func start() error {
	demo := flag.Bool("demo", false, "also run a receiver and made-up traffic on this machine, and allow http and private endpoints")
	demoAddr := flag.String("demo-addr", "127.0.0.1:8089", "where the demo's receiver listens; another port when this one is taken")
	natsAddr := flag.String("nats-addr", "127.0.0.1:4222", "where the demo's NATS server listens; nowhere when this port is taken")
	flag.Parse()
	environ := config.Environ(os.Environ())
	if _, chosen := environ[config.Prefix+"LOG_LEVEL"]; *demo && !chosen {
		environ[config.Prefix+"LOG_LEVEL"] = "warn" // leave the terminal to what arrives
	}
	settings, err := config.Load(environ)
	if err != nil {
		return err
	}
	if flag.Arg(0) == "healthcheck" { // what a container's health check runs
		ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
		defer cancel()
		return ops.AskReady(ctx, settings.HTTPAddr)
	}
	version := cli.Version()
	log := ops.NewLogger(os.Stderr, settings, "standalone", version)
	log.Info("starting", slog.Any("settings", settings))
	ctx, hardStop, stop := cli.Signals()
	defer stop()
	tracer, stopTracing, err := export.Open(ctx, environ, "standalone", version, log)
	if err != nil {
		return err
	}
	defer stopTracing()
	options := app.Options{Settings: settings, Demo: *demo, Out: cli.Printable(os.Stdout), Log: log, Tracer: tracer}
	if *demo {
		options.DemoAddr, options.NATSAddr = *demoAddr, *natsAddr
	}
	s, err := app.New(ctx, options)
	if err != nil {
		return err
	}
	defer cli.HoldBallast()()
	return s.Run(ctx, hardStop)
}
