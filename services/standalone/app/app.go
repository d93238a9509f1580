// Package app is the whole system in one process: the config API and a
// dispatcher on an embedded NATS server and, by default, SQLite.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"time"

	"github.com/oklog/run"

	"github.com/dialnote/webhooks/pkg/cli"
	"github.com/dialnote/webhooks/pkg/config"
	"github.com/dialnote/webhooks/pkg/ops"
	"github.com/dialnote/webhooks/pkg/resources"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/trace"
	configapi "github.com/dialnote/webhooks/services/config-api/app"
	dispatcher "github.com/dialnote/webhooks/services/dispatcher/app"
	"github.com/dialnote/webhooks/services/standalone/internal/bootstrap"
	"github.com/dialnote/webhooks/services/standalone/internal/broker"
	"github.com/dialnote/webhooks/services/standalone/internal/demo"
	"github.com/dialnote/webhooks/services/standalone/internal/folder"
)

// Options say how to run.
type Options struct {
	Settings config.Settings
	Demo     bool      // also run a receiver and made-up traffic, on loopback
	DemoAddr string    // where the demo receiver listens, if it can
	NATSAddr string    // where the embedded NATS server listens, if it can; "" for no socket
	Out      io.Writer // for the terminal: what runs where, what to do next, what arrives
	Log      *slog.Logger
	Tracer   *trace.Tracer // nil for none
}

// Standalone is the running system.
type Standalone struct {
	opts     Options
	settings config.Settings
	listener net.Listener
	lock     *folder.Lock // of the data folder, until Run ends
	demo     *demo.Demo
	health   *ops.Health
	ready    chan struct{}
	natsURL  string
}

// New makes the data folder and its secrets, locks the folder, and listens on the
// HTTP address. Nothing is served until Run. It returns a *folder.InUseError when
// another process uses the folder.
func New(ctx context.Context, o Options) (*Standalone, error) {
	s := o.Settings
	if o.Demo {
		s.AllowHTTPEndpoints, s.AllowPrivateEndpoints = true, true
	}
	lock, err := folder.Open(s.DataDir)
	if err != nil {
		return nil, fmt.Errorf("%sDATA_DIR: %w", config.Prefix, err)
	}
	alone, err := newIn(ctx, o, s)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	alone.lock = lock
	return alone, nil
}

// newIn makes it in a data folder that is locked.
func newIn(ctx context.Context, o Options, s config.Settings) (*Standalone, error) {
	var err error
	if s.DatabaseURL == "" {
		s.DatabaseURL = "sqlite://" + filepath.Join(s.DataDir, "webhooks.db")
	}
	if s.EncryptionKeys == "" {
		if s.EncryptionKeys, err = bootstrap.EncryptionKeys(s.DataDir); err != nil {
			return nil, fmt.Errorf("keep encryption keys: %w", err)
		}
	}
	if s.APITokens == "" {
		token, err := bootstrap.Token(s.DataDir)
		if err != nil {
			return nil, fmt.Errorf("keep service token: %w", err)
		}
		s.APITokens = "local:" + token
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.HTTPAddr)
	if err != nil {
		return nil, fmt.Errorf("%sHTTP_ADDR: %w", config.Prefix, err)
	}
	alone := &Standalone{
		opts: o, settings: s, listener: listener,
		health: ops.NewHealth(), ready: make(chan struct{}),
	}
	if s.PublicURL == "" {
		alone.settings.PublicURL = alone.URL()
	}
	return alone, nil
}

// URL returns the base URL of the HTTP API.
func (s *Standalone) URL() string {
	host, port, err := net.SplitHostPort(s.listener.Addr().String())
	if err != nil {
		return "http://" + s.listener.Addr().String()
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// Ready is closed when the system answers and, in a demo, is seeded.
func (s *Standalone) Ready() <-chan struct{} { return s.ready }

// Run runs everything until ctx ends, and stops as the dispatcher does: what is
// in flight may finish, unless hardStop ends.
func (s *Standalone) Run(ctx, hardStop context.Context) error {
	defer func() { _ = s.lock.Close() }() // last: it was only held
	log, registry := s.opts.Log, ops.NewRegistry()
	if err := ops.Observe(registry, s.health, "standalone"); err != nil {
		return err
	}
	nats, err := broker.Start(s.settings, s.opts.NATSAddr, log)
	if err != nil {
		return err
	}
	if s.settings.LogMaxBytes == config.Auto {
		s.settings.LogMaxBytes = config.Bytes(broker.BesideIt(nats))
	}
	if s.opts.NATSAddr != "" {
		s.natsURL = nats.ClientURL()
	}
	defer func() { nats.Shutdown(); nats.WaitForShutdown() }()

	var group run.Group
	gate := configapi.NewGate(s.health, registry)
	connections := ops.NewConnections("connections", s.settings.TrustedProxies)
	registry.MustRegister(connections)
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	group.Add(func() error {
		return ops.Serve(serving, s.listener, connections, gate, 5*time.Second)
	}, func(error) { stopServing() })

	_, always := s.settings.SyncInterval()
	b, err := resources.Open(ctx, s.settings, stream.Settings{
		InProcess: nats, Name: "standalone", SyncsAlways: always, Admits: true, Storage: nats.JetStreamConfig().MaxStore,
	}, s.health, log)
	if err != nil {
		stopServing()
		return err
	}
	defer b.Close(log)
	if err := b.Observe(registry); err != nil {
		return err
	}
	fleet, err := b.Stream.WatchFleet()
	if err != nil {
		return err
	}
	defer fleet.Close()
	api, err := newAPI(s.settings, b, fleet, s.health, registry, s.opts.Tracer, log) //nolint:contextcheck // each request brings its own
	if err != nil {
		return err
	}
	gate.Open(api.Handler())

	sender, err := dispatcher.NewSender(s.settings, cli.Version())
	if err != nil {
		return err
	}
	working, stopWorking := context.WithCancel(ctx)
	group.Add(func() error {
		cfg := dispatcher.FromSettings(s.settings)
		cfg.Quotas = b.Quotas
		return dispatcher.New(cfg, dispatcher.Dependencies{
			Store: b.Store, Stream: b.Stream, Sender: sender, Log: log, Registry: registry, Health: s.health, Tracer: s.opts.Tracer,
		}).Run(working, hardStop)
	}, func(error) { stopWorking() })
	group.Add(func() error { return api.Run(working) }, func(error) { stopWorking() })
	group.Add(func() error { return s.welcome(working) }, func(error) { stopWorking() })
	return group.Run()
}
