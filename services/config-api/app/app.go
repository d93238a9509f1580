// Package app wires the config API: the JSON API, its documentation, and what
// they need. The command and the standalone program use it.
package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dialnote/webhooks/pkg/ops"
	"github.com/dialnote/webhooks/pkg/outbox"
	"github.com/dialnote/webhooks/pkg/quota"
	"github.com/dialnote/webhooks/pkg/secretbox"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/trace"
	"github.com/dialnote/webhooks/pkg/usage"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/proto"
	"github.com/dialnote/webhooks/services/config-api/internal/admission"
	"github.com/dialnote/webhooks/services/config-api/internal/auth"
	"github.com/dialnote/webhooks/services/config-api/internal/contract"
	"github.com/dialnote/webhooks/services/config-api/internal/eventfeed"
	"github.com/dialnote/webhooks/services/config-api/internal/httpapi"
	"github.com/dialnote/webhooks/services/config-api/internal/live"
	"github.com/dialnote/webhooks/services/config-api/internal/manage"
)

// Config is what the operator chooses.
type Config struct {
	APITokens     string   // service tokens, "name:token,name:token", of at least 16 bytes each
	APITokensFile string   // more of them, a line each, in a file that is read again while the service runs
	PublicURL     string   // where browsers find the service; http://localhost:8080 when empty
	MaxWebhooks   int      // of one organization
	ZapierHosts   []string // hosts that a Zapier webhook may have, in lower case

	// DeliveryTimeout is one attempt's deadline, which a test waits for.
	DeliveryTimeout time.Duration

	// Limits bound the requests of one organization, and those without a good
	// credential of one client address; the zero Limits bound nothing.
	Limits Limits

	// DisableAfter is how many consecutive failures disable a webhook, and
	// Retention how long the log is kept, for the texts of the settings page.
	DisableAfter int
	Retention    time.Duration

	// Quotas are what each organization may have.
	Quotas quota.Limits

	// EmbedHosts are the hosts whose pages may show the settings page, as sources
	// of a content security policy.
	EmbedHosts []string
}

// Limits bound the requests of a caller.
type Limits = httpapi.Limits

// Store is the part of the store that the config API needs.
type Store interface {
	store.Webhooks
	store.Deliveries
	store.Log
	store.Recoveries
	store.Waiting
	store.Usage
	store.Idempotency
	store.Notices
	store.Access
	store.Audit
}

// Stream is the part of NATS that the config API needs; stream.Conn says what
// each method promises.
type Stream interface {
	manage.Stream
	live.Source
	eventfeed.Source
	outbox.Publisher
}

// Fleet is the dispatchers that are alive; see stream.Fleet.
type Fleet = manage.Fleet

// Dependencies are what the config API works with. All are needed but the
// tracer.
type Dependencies struct {
	Store  Store
	Stream Stream
	Fleet  Fleet
	Box    secretbox.Box // seals what callers get and give back unread

	// CheckURL says whether a URL may be saved, from its text only; its error is
	// a fault of kind Invalid with the field /url. It is endpoint.Policy's Check.
	CheckURL func(raw string) error

	// Health is what /readyz asks. Its owner adds the checks and says when the
	// service has started; Gate.Run says when it stops.
	Health *ops.Health

	Registry *prometheus.Registry // gets the API's metrics and is what /metrics serves
	Now      func() time.Time
	Log      *slog.Logger

	Tracer *trace.Tracer // nil for none
}

// App is a wired config API.
type App struct {
	handler http.Handler
	live    *live.Hub
	feed    *eventfeed.Feed
	outbox  *outbox.Outbox
	tokens  *auth.Rotation
	over    *usage.Watch
}

// New wires a config API. It returns an error when a setting is wrong, or when
// the registry already has the API's metrics.
func New(cfg Config, deps Dependencies) (*App, error) {
	if err := deps.complete(); err != nil {
		return nil, err
	}
	cfg.PublicURL = cmp.Or(cfg.PublicURL, defaultPublicURL)
	credentials, err := newCredentials(cfg, deps)
	if err != nil {
		return nil, err
	}
	document, err := contract.Load(proto.OpenAPI())
	if err != nil {
		return nil, fmt.Errorf("load the API document: %w", err)
	}
	notices, err := outbox.New(deps.Store, deps.Stream, deps.Registry, deps.Log)
	if err != nil {
		return nil, fmt.Errorf("make the outbox: %w", err)
	}
	over := usage.NewWatch(deps.Store, deps.Log)
	door, err := admission.New(admission.Options{
		Account: deps.Store, Over: over, Limits: cfg.Quotas, Retention: cfg.Retention, Now: deps.Now, Log: deps.Log, Registry: deps.Registry,
	})
	if err != nil {
		return nil, fmt.Errorf("make the admission of events: %w", err)
	}
	service := newService(cfg, deps, door, notices)
	hub, err := live.New(live.Options{
		Source: deps.Stream, Webhooks: service, Limits: live.DefaultLimits(), Registry: deps.Registry, Log: deps.Log,
	})
	if err != nil {
		return nil, fmt.Errorf("make the hub of changes: %w", err)
	}
	reading := httpapi.NewReading()
	if err := deps.Registry.Register(reading.Places()); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	page, err := newPage(cfg, deps, service, hub, credentials, reading)
	if err != nil {
		return nil, err
	}
	feed := eventfeed.New(deps.Stream)
	handler, err := httpapi.New(httpapi.Options{
		Document:      document,
		Authenticator: credentials,
		Idempotency:   deps.Store,
		Health:        deps.Health,
		Registry:      deps.Registry,
		Now:           deps.Now,
		Log:           deps.Log,
		Tracer:        deps.Tracer,
		Service:       service,
		Live:          hub,
		Feed:          feed,
		Places:        eventfeed.Places{Box: deps.Box},
		Limits:        cfg.Limits,
		Reading:       reading,
		EmbedHosts:    cfg.EmbedHosts,
		Page:          page,
	})
	if err != nil {
		return nil, fmt.Errorf("make the HTTP handler: %w", err)
	}
	return &App{handler: handler, live: hub, feed: feed, outbox: notices, tokens: credentials.tokens, over: over}, nil
}

// newService returns what the API and the page do, on the service's dependencies.
func newService(cfg Config, deps Dependencies, door *admission.Door, notices *outbox.Outbox) *manage.Service {
	return &manage.Service{
		Admission:       door,
		Webhooks:        waking{deps.Store, notices},
		Stream:          deps.Stream,
		Fleet:           deps.Fleet,
		Deliveries:      deps.Store,
		DeliveryLog:     deps.Store,
		Recoveries:      deps.Store,
		Waiting:         deps.Store,
		DeliveryTimeout: cfg.DeliveryTimeout,
		Access:          deps.Store,
		Audit:           deps.Store,
		PublicURL:       cfg.PublicURL,
		Rules:           webhook.Rules{ZapierHosts: cfg.ZapierHosts, CheckURL: deps.CheckURL},
		MaxWebhooks:     cfg.MaxWebhooks,
		Now:             deps.Now,
		Log:             deps.Log,
		Tracer:          deps.Tracer,
	}
}

// complete returns an error for a dependency that is missing, so that the service
// does not start without it.
func (d Dependencies) complete() error {
	for name, missing := range map[string]bool{
		"Store": d.Store == nil, "Stream": d.Stream == nil, "Fleet": d.Fleet == nil, "CheckURL": d.CheckURL == nil,
		"Health": d.Health == nil, "Registry": d.Registry == nil, "Now": d.Now == nil, "Log": d.Log == nil,
	} {
		if missing {
			return errors.New("config API: the dependency " + name + " is missing")
		}
	}
	return nil
}

// Handler returns the handler of the whole API. It is served behind a Gate, or
// by a test's server.
func (a *App) Handler() http.Handler { return a.handler }

// Run does the work beside the requests until ctx ends: it sends notices to the
// platform, sends watchers a resync after gaps, reads new service tokens, and which
// organizations have reached a quota. Then it ends the
// open streams at once, so that the server does not wait for them.
func (a *App) Run(ctx context.Context) error {
	var others sync.WaitGroup
	others.Go(func() { a.outbox.Run(ctx) })
	others.Go(func() { a.tokens.Run(ctx) })
	others.Go(func() { a.over.Run(ctx) })
	others.Go(func() { a.feed.Run(ctx) })
	err := a.live.Run(ctx)
	if err != nil {
		<-ctx.Done() // the others go on
	}
	others.Wait()
	return err
}
