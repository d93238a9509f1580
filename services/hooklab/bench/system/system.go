// Package system runs the whole of dialnote's webhooks as real processes on
// loopback, for a benchmark: NATS server, Postgres, config API, dispatchers,
// and the receiver that they deliver to. Or standalone in place of the former.
package system

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	_ "github.com/lib/pq" // the driver of DB

	"github.com/dialnote/webhooks/pkg/pgtest"
	"github.com/dialnote/webhooks/pkg/secretbox"
	"github.com/dialnote/webhooks/services/hooklab/bench/process"
	"github.com/dialnote/webhooks/services/hooklab/bench/publish"
	"github.com/dialnote/webhooks/services/hooklab/bench/sink"
)

// Names of the parts, as reports call them. Several dispatchers are one part.
const (
	Dispatcher = "dispatcher"
	ConfigAPI  = "config-api"
	Standalone = "standalone"
	NATS       = "nats"
	Postgres   = "postgres"
	Receiver   = "receiver"
	Publisher  = "publisher" // this process: it stands for the platform's services
)

// token opens the API.
const token = "bench-service-token-0123456789"

// Options choose what runs.
type Options struct {
	Programs    string // folder of the built programs
	Self        string // this program, whose subcommand receives
	Random      interface{ Read(p []byte) (int, error) }
	Settings    map[string]string // besides the defaults, without the prefix
	Dispatchers int
	Hosts       int  // further hosts that the receiver listens on
	SyncAlways  bool // the NATS server syncs before it acknowledges
	Embedded    bool // standalone in place of NATS, Postgres, config API and dispatchers
}

// System is what runs. Its parts are nil where the options leave them out.
type System struct {
	Sink        *sink.Client
	NATS        *publish.NATS
	API         *publish.API
	DB          *sql.DB
	Box         secretbox.Box
	Dispatchers []*process.Process

	options  Options
	settings map[string]string
	folder   *process.Folder
	launcher *process.Launcher
	cluster  *pgtest.Cluster
	parts    map[string]*process.Process // all but the dispatchers
	opsAddrs map[*process.Process]string
	started  int // dispatchers, for their names
	fail     context.CancelCauseFunc

	mu      sync.Mutex
	stopped map[*process.Process]bool // by us: their end is no failure
}

// Start starts a system and returns it when it is ready, with a context that
// ends when one of its processes does. Close it in any case but an error.
func Start(ctx context.Context, o Options) (*System, context.Context, error) {
	ctx, fail := context.WithCancelCause(ctx)
	s := &System{
		options: o, launcher: process.NewLauncher(), fail: fail,
		parts: make(map[string]*process.Process), opsAddrs: make(map[*process.Process]string),
		stopped: make(map[*process.Process]bool),
	}
	if err := s.start(ctx); err != nil {
		return nil, nil, errors.Join(err, s.Close())
	}
	return s, ctx, nil
}

func (s *System) start(ctx context.Context) (err error) {
	if s.folder, err = process.NewFolder(); err != nil {
		return err
	}
	if err := s.startReceiver(ctx); err != nil {
		return err
	}
	key, err := secretbox.NewKey(s.options.Random)
	if err != nil {
		return err
	}
	if s.Box, err = secretbox.Parse(key); err != nil {
		return err
	}
	s.settings = map[string]string{
		"ENCRYPTION_KEYS": key, "API_TOKENS": "bench:" + token,
		"ALLOW_HTTP_ENDPOINTS": "true", "ALLOW_PRIVATE_ENDPOINTS": "true",
		// Limits are not what is measured.
		"RATE_LIMIT": "0", "ADDRESS_RATE_LIMIT": "0",
	}
	maps.Copy(s.settings, s.options.Settings)
	ca := filepath.Join(s.folder.Path, "ca.pem")
	if err := os.WriteFile(ca, []byte(s.Sink.Authority), 0o600); err != nil {
		return fmt.Errorf("write the authority: %w", err)
	}
	s.settings["EXTRA_CA_FILE"] = ca
	if s.options.Embedded {
		s.settings["DATA_DIR"] = filepath.Join(s.folder.Path, "data")
		return s.StartStandalone(ctx)
	}
	if err := s.startResources(ctx); err != nil {
		return err
	}
	if err := s.startAPI(ctx); err != nil {
		return err
	}
	for range s.options.Dispatchers {
		if err := s.AddDispatcher(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Close stops everything, at once where order does not matter, and removes what
// it has written.
func (s *System) Close() error {
	var errs []error
	if s.API != nil {
		s.API.Close()
	}
	if s.NATS != nil {
		s.NATS.Close()
	}
	if s.DB != nil {
		errs = append(errs, s.DB.Close())
	}
	for _, d := range s.Dispatchers {
		s.kill(d)
	}
	for _, p := range s.parts {
		s.kill(p)
	}
	if s.Sink != nil {
		s.Sink.Close()
	}
	if s.cluster != nil {
		errs = append(errs, s.cluster.Stop())
	}
	s.launcher.Close()
	if s.folder != nil {
		errs = append(errs, s.folder.Remove())
	}
	s.fail(nil)
	return errors.Join(errs...)
}

// Settings returns what differs from the defaults that users get, without what
// only says where things are.
func (s *System) Settings() map[string]string {
	shown := maps.Clone(s.options.Settings)
	if shown == nil {
		shown = map[string]string{}
	}
	for _, name := range []string{"ALLOW_HTTP_ENDPOINTS", "ALLOW_PRIVATE_ENDPOINTS", "RATE_LIMIT", "ADDRESS_RATE_LIMIT"} {
		shown[name] = s.settings[name]
	}
	if s.options.SyncAlways {
		shown["NATS_SYNC"] = s.settings["NATS_SYNC"]
		shown["sync_interval of the NATS server"] = "always"
	}
	return shown
}

// launch starts a program as a part of the system.
func (s *System) launch(name, program string, args []string, env map[string]string) (*process.Process, error) {
	spec := process.Spec{Name: name, Program: program, Args: args, Dir: s.folder.Path}
	for _, key := range slices.Sorted(maps.Keys(env)) {
		spec.Env = append(spec.Env, "DIALNOTE_"+key+"="+env[key])
	}
	p, err := s.launcher.Start(spec)
	if err != nil {
		return nil, err
	}
	go func() {
		<-p.Ended()
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.stopped[p] {
			s.fail(p.Err())
		}
	}()
	return p, nil
}

func (s *System) expect(p *process.Process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped[p] = true
}

// stop stops a part in order.
func (s *System) stop(p *process.Process, with os.Signal) error {
	s.expect(p)
	return p.Stop(with)
}

func (s *System) kill(p *process.Process) {
	s.expect(p)
	p.Kill()
}

func (s *System) program(name string) string { return filepath.Join(s.options.Programs, name) }

// patience bounds every start.
const patience = time.Minute

// await calls ask until it returns nil: for states that nothing announces.
func await(ctx context.Context, what string, ask func() error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("not within %s", patience))
	defer cancel()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w (%w)", what, context.Cause(ctx), err)
		}
	}
}
