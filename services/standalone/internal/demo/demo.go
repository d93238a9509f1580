// Package demo shows the system at work: a receiver that verifies signatures
// and prints what arrives, an organization with a webhook for each event, one of
// them to an endpoint that often fails, and a realistic event every few seconds.
package demo

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/dialnote/webhooks/services/hooklab/receiver"
	"github.com/dialnote/webhooks/services/hooklab/traffic"
)

// Organization is the demo's organization.
const Organization = "demo"

// Demo is a receiver and a customer of the API.
type Demo struct {
	client   *client
	receiver *receiver.Receiver
	answers  http.Handler // the receiver with its control API
	listener *receiver.Listener
	log      *slog.Logger

	mu      sync.Mutex
	learned map[string]bool // webhooks whose secrets the receiver has
	paths   map[string]bool // paths that some webhook is known to use
}

// Start starts the receiver at addr, or at a free port when that is taken. It
// prints each request to out. api is the base URL of the HTTP API.
func Start(ctx context.Context, api, token, addr string, out io.Writer, log *slog.Logger) (*Demo, error) {
	d := &Demo{
		client:   newClient(api, token, Organization),
		receiver: receiver.New(receiver.Options{Each: receiver.AccessLog(out)}),
		log:      log,
		learned:  map[string]bool{},
		paths:    map[string]bool{},
	}
	d.answers = d.receiver.WithControl()
	listener, err := d.receiver.ListenHandler(ctx, addr, d)
	if err != nil {
		listener, err = d.receiver.ListenHandler(ctx, "127.0.0.1:0", d)
	}
	if err != nil {
		return nil, fmt.Errorf("start the demo receiver: %w", err)
	}
	d.listener = listener
	return d, nil
}

// URL returns the receiver's base URL.
func (d *Demo) URL() string { return d.listener.URL("") }

// Close stops the receiver.
func (d *Demo) Close() error {
	if err := d.receiver.Close(); err != nil {
		return fmt.Errorf("stop the demo receiver: %w", err)
	}
	return nil
}

// ServeHTTP receives a request. For a path it has not seen it first asks the
// API for the demo organization's secrets, so that webhooks made by hand are
// verified too.
func (d *Demo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet && r.URL.Path == PagePath {
		d.openPage(w, r)
		return
	}
	if !d.knows(r.URL.Path) && !strings.HasPrefix(r.URL.Path, receiver.ControlPrefix) {
		if err := d.learn(r.Context()); err != nil {
			d.log.Warn("demo: secrets not read", slog.Any("error", err))
		}
	}
	d.answers.ServeHTTP(w, r)
}

func (d *Demo) knows(path string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.paths[path]
}

// learn gives the receiver the secrets of webhooks that it does not know yet.
func (d *Demo) learn(ctx context.Context) error {
	hooks, err := d.client.webhooks(ctx)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, h := range hooks {
		if d.learned[h.ID] {
			continue
		}
		secret, err := d.client.secret(ctx, h.ID)
		if err != nil {
			return err
		}
		u, err := url.Parse(h.URL)
		if err != nil {
			continue
		}
		d.receiver.Expect(u.Path, secret)
		d.learned[h.ID], d.paths[u.Path] = true, true
	}
	return nil
}

// Seed makes the demo's webhooks where they are missing, and points those of an
// earlier start to this receiver.
func (d *Demo) Seed(ctx context.Context) error {
	hooks, err := d.client.webhooks(ctx)
	if err != nil {
		return err
	}
	there := make(map[string]hook, len(hooks))
	for _, h := range hooks {
		there[h.Name] = h
	}
	for _, w := range []struct{ name, path, event string }{
		{"CRM Call Sync", "/ok/crm", "call.completed"},
		{"Recording archive", "/ok/recordings", "recording.completed"},
		{"Lead Alerts (flaky)", "/flaky/0.3", "note.created"},
	} {
		old, exists := there[w.name]
		switch {
		case !exists:
			_, err = d.client.create(ctx, w.name, d.URL()+w.path, w.event)
		case old.URL != d.URL()+w.path:
			err = d.client.move(ctx, old.ID, d.URL()+w.path)
		}
		if err != nil {
			return fmt.Errorf("seed webhook %q: %w", w.name, err)
		}
	}
	return nil
}

// Run publishes a realistic event every few seconds until ctx ends.
func (d *Demo) Run(ctx context.Context) error {
	const shortest, spread = 2 * time.Second, 4 * time.Second
	events := traffic.New(traffic.Options{
		Seed: rand.Uint64(), Organization: Organization, Start: time.Now(), //nolint:gosec // made-up events need no secret
	})
	for {
		timer := time.NewTimer(shortest + rand.N(spread)) //nolint:gosec // a pause needs no secret
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
		e, err := events.Next()
		if err != nil {
			return fmt.Errorf("make up an event: %w", err)
		}
		e.Timestamp = time.Now().UTC()
		if err := d.client.publish(ctx, e.Body()); err != nil && ctx.Err() == nil {
			d.log.Warn("demo: event not published", slog.Any("error", err))
		}
	}
}
