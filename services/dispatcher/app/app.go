// Package app wires the dispatcher: the same for its own program, for
// standalone, and for end-to-end tests.
package app

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/oklog/run"
	"github.com/oklog/ulid/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/dialnote/webhooks/pkg/backoff"
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/egress"
	"github.com/dialnote/webhooks/pkg/ops"
	"github.com/dialnote/webhooks/pkg/outbox"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/trace"
	"github.com/dialnote/webhooks/services/dispatcher/internal/deliver"
	"github.com/dialnote/webhooks/services/dispatcher/internal/dispatch"
	"github.com/dialnote/webhooks/services/dispatcher/internal/limit"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
	"github.com/dialnote/webhooks/services/dispatcher/internal/metrics"
	"github.com/dialnote/webhooks/services/dispatcher/internal/queue"
	"github.com/dialnote/webhooks/services/dispatcher/internal/record"
	"github.com/dialnote/webhooks/services/dispatcher/internal/recovery"
	"github.com/dialnote/webhooks/services/dispatcher/internal/unsubscribe"
)

const (
	// cacheBytes bounds the cache of webhooks. It holds a million of common size;
	// package match says what they take. The garbage collector lets the heap grow
	// to twice what is in use, so a process with a full cache takes about 400 MiB.
	cacheBytes = 200 << 20

	// maxPull is the largest number of events that one request asks for.
	maxPull = 128

	// maxWait is how long a delivery waits for its webhook's turn before it
	// goes to the webhook's lane.
	maxWait = 50 * time.Millisecond

	// recordGrace is what a stop allows, beyond the deadline of an attempt, for
	// recording and acknowledging.
	recordGrace = 5 * time.Second
)

// Config is what the operator may choose.
type Config struct {
	Policy             delivery.Policy
	DeliveryTimeout    time.Duration // one attempt's deadline
	MaxInFlight        int           // attempts at once
	WebhookMaxInFlight int           // attempts at once, of one webhook
	Retention          time.Duration // how old an event may be to be sent
	AuditRetention     time.Duration // how old an entry of the audit log may be
}

// Dependencies are what the dispatcher works with. Their owner closes them
// after Run has returned.
type Dependencies struct {
	Store    store.Store
	Stream   *stream.Conn // whose topology is there
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

// Run dispatches until ctx ends and then stops in two phases: it pulls nothing
// more, lets what is in flight finish and be recorded (at most an attempt's
// deadline and a little), acknowledges, and returns. What is cut short by hardStop
// ending first, or by the bound, comes again.
func (a *App) Run(ctx, hardStop context.Context) error {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	cut := context.AfterFunc(hardStop, stop)
	defer cut()

	parts, err := a.assemble()
	if err != nil {
		return err
	}
	events, err := a.openEvents(ctx)
	if err != nil {
		return nil //nolint:nilerr // only when ctx has ended before there was anything to do
	}
	parts.dispatcher.Events = events

	recording, stopRecording := context.WithCancel(context.WithoutCancel(ctx))
	defer stopRecording()
	recorded := make(chan error, 1)
	go func() { recorded <- parts.recorder.Run(recording) }()
	member := make(chan error, 1)
	membership, leave := context.WithCancel(context.WithoutCancel(ctx))
	defer leave()
	go func() { member <- parts.member.Run(membership) }()
	stopSending := runOutbox(context.WithoutCancel(ctx), parts.outbox)
	defer stopSending()

	a.deps.Health.Started()
	a.deps.Log.Info("dispatching", slog.String("replica", a.replica))
	a.dispatch(ctx, work, stop, parts)
	stopRecording()
	leave()
	if err := <-recorded; err != nil {
		return fmt.Errorf("record: %w", err)
	}
	if err := <-member; err != nil {
		return fmt.Errorf("leave the fleet: %w", err)
	}
	a.deps.Log.Info("stopped", slog.String("replica", a.replica))
	return nil
}

// parts are the pieces of a running replica.
type parts struct {
	member     *stream.Member
	recorder   *record.Recorder
	outbox     *outbox.Outbox
	lanes      *queue.Lanes
	ordered    *queue.Ordered
	dispatcher *dispatch.Dispatcher
	tests      *stream.TestService
	recoveries *recovery.Runner
}

func (a *App) assemble() (*parts, error) {
	listener := &listener{}
	member, err := a.deps.Stream.Join(a.replica, listener)
	if err != nil {
		return nil, fmt.Errorf("join the fleet: %w", err)
	}
	matcher, err := match.New(a.deps.Store, member, cacheBytes)
	if err != nil {
		return nil, fmt.Errorf("make matcher: %w", err)
	}
	log := a.deps.Log
	notices, err := outbox.New(a.deps.Store, a.deps.Stream, a.deps.Registry, log)
	if err != nil {
		return nil, fmt.Errorf("make outbox: %w", err)
	}
	notifying := &record.NotifyingStore{Store: a.deps.Store, Notifier: a.deps.Stream, Outbox: notices, Log: log}
	recorder := record.New(notifying, a.cfg.Policy, record.DefaultOptions(), log, a.metrics)
	slots := limit.NewSlots(a.cfg.MaxInFlight)
	webhooks := limit.NewWebhooks(limit.Limits{Total: a.cfg.MaxInFlight, PerWebhook: a.cfg.WebhookMaxInFlight, MaxWait: maxWait})
	deliverer := &deliver.Deliverer{
		Sender: a.deps.Sender, Recorder: recorder, Progress: record.NewProgressReader(a.deps.Store, time.Now), Matcher: matcher,
		Announcer: a.deps.Stream, Webhooks: webhooks, Metrics: a.metrics.By(metrics.Direct), Tracer: a.deps.Tracer, Now: time.Now, Log: log,
	}
	queued := func(way metrics.Way) queue.Parts {
		return queue.Parts{
			Stream: a.deps.Stream, Matcher: matcher, Deliverer: deliverer.By(a.metrics.By(way)), Webhooks: webhooks, Slots: slots,
			Retention: a.cfg.Retention, Now: time.Now, Log: log, Tracer: a.deps.Tracer,
		}
	}
	lanes, ordered := queue.NewLanes(queued(metrics.Lane), a.cfg.WebhookMaxInFlight), queue.NewOrdered(queued(metrics.Ordered))
	listener.begin(matcher, lanes, ordered)
	metrics.Watch(a.deps.Registry, state(a.deps.Sender, slots, webhooks, recorder, lanes, matcher))
	return &parts{
		member: member, recorder: recorder, outbox: notices, lanes: lanes, ordered: ordered,
		dispatcher: &dispatch.Dispatcher{
			Stream: a.deps.Stream, Matcher: matcher, Slots: slots, Webhooks: webhooks, Lanes: lanes, Ordered: ordered,
			Deliverer: deliverer, Batch: min(maxPull, max(1, a.cfg.MaxInFlight/4)), Now: time.Now, Log: log, Metrics: a.metrics, Tracer: a.deps.Tracer,
		},
		tests:      a.tests(matcher, deliverer),
		recoveries: a.recoveries(matcher, deliverer),
	}, nil
}

func (a *App) openEvents(ctx context.Context) (events *stream.Events, err error) {
	err = backoff.Retry(ctx, a.deps.Log, backoff.Broker, "open the event stream", func() error {
		events, err = a.deps.Stream.Events(ctx)
		return err
	})
	return events, err
}

// runOutbox sends the platform its notices until stop is called, which waits
// for what was written until then.
func runOutbox(ctx context.Context, o *outbox.Outbox) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		o.Run(ctx)
	}()
	return func() {
		cancel()
		<-ended
	}
}

// dispatch runs until ctx has ended and what was held has finished, at the
// latest when the stop's bound is over.
func (a *App) dispatch(ctx, work context.Context, stop context.CancelFunc, p *parts) {
	bound := context.AfterFunc(ctx, func() {
		a.deps.Health.Stopping()
		time.AfterFunc(a.cfg.DeliveryTimeout+recordGrace, stop)
	})
	defer bound()
	var group run.Group
	pulling, stopPulling := context.WithCancel(ctx)
	interrupt := func(error) { stopPulling() }
	group.Add(func() error { p.dispatcher.Run(pulling, work); return nil }, interrupt)
	group.Add(func() error { p.lanes.Run(pulling, work); return nil }, interrupt)
	group.Add(func() error { p.ordered.Run(pulling, work); return nil }, interrupt)
	group.Add(func() error { a.offerTests(pulling, work, p.tests); return nil }, interrupt)
	group.Add(func() error { p.recoveries.Run(pulling, work); return nil }, interrupt)
	unsubscriber := &unsubscribe.Unsubscriber{Stream: a.deps.Stream, Sender: a.deps.Sender, Log: a.deps.Log}
	group.Add(func() error { unsubscriber.Run(pulling, work); return nil }, interrupt)
	upkeep := &maintenance{
		store: a.deps.Store, log: a.deps.Log,
		keep: store.Retention{Log: a.cfg.Retention, Audit: a.cfg.AuditRetention},
	}
	group.Add(func() error { upkeep.run(pulling); return nil }, interrupt)
	_ = group.Run() // its actors return nil
}

func state(sender *egress.Client, slots *limit.Slots, webhooks *limit.Webhooks, recorder *record.Recorder, lanes *queue.Lanes, matcher *match.Matcher) metrics.State {
	return metrics.State{
		SlotsUsed:    func() float64 { return float64(slots.Used()) },
		SlotsLimit:   func() float64 { return float64(slots.Limit()) },
		Lanes:        lanes.Modes,
		InFlight:     func() float64 { return float64(webhooks.InFlight()) },
		Unrecorded:   func() float64 { return float64(recorder.Pending()) },
		Connections:  sender.Connections,
		LanesOpen:    func() float64 { return float64(lanes.Open()) },
		CacheSize:    func() float64 { return float64(matcher.Size()) },
		CacheBytes:   func() float64 { return float64(matcher.Bytes()) },
		CacheHits:    func() float64 { return float64(matcher.Stats().Hits.Load()) },
		CacheMisses:  func() float64 { return float64(matcher.Stats().Misses.Load()) },
		CacheNoLease: func() float64 { return float64(matcher.Stats().Unleased.Load()) },
	}
}
