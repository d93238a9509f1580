package app

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/dialnote/webhooks/pkg/cli"
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/egress"
	"github.com/dialnote/webhooks/pkg/outbox"
	"github.com/dialnote/webhooks/pkg/quota"
	"github.com/dialnote/webhooks/pkg/share"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/usage"
	"github.com/dialnote/webhooks/services/dispatcher/internal/account"
	"github.com/dialnote/webhooks/services/dispatcher/internal/deliver"
	"github.com/dialnote/webhooks/services/dispatcher/internal/dispatch"
	"github.com/dialnote/webhooks/services/dispatcher/internal/limit"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
	"github.com/dialnote/webhooks/services/dispatcher/internal/metrics"
	"github.com/dialnote/webhooks/services/dispatcher/internal/queue"
	"github.com/dialnote/webhooks/services/dispatcher/internal/record"
	"github.com/dialnote/webhooks/services/dispatcher/internal/recovery"
	"github.com/dialnote/webhooks/services/dispatcher/internal/repeat"
	"github.com/dialnote/webhooks/services/dispatcher/internal/tester"
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
)

// parts are the pieces of a running replica.
type parts struct {
	log          *slog.Logger
	outbox       *outbox.Outbox
	recorder     *record.Recorder
	member       *stream.Member
	dispatcher   *dispatch.Dispatcher
	lanes        *queue.Lanes
	ordered      *queue.Ordered
	waiting      *queue.Waiting
	tests        *stream.TestService
	recoveries   *recovery.Runner
	unsubscriber *unsubscribe.Unsubscriber
	maintenance  *maintenance
	quotas       *usage.Watch
	counter      *account.Counter
}

// stages returns the parts in the order in which they start. They stop in the
// reverse order: first what brings in deliveries, each part when it has finished
// those that it has; then what records them and the membership that they need;
// last what sends the notices that the records wrote. work is the context of what
// is in flight.
func (p *parts) stages(work context.Context) []stage {
	until := func(name string, run func(ctx, work context.Context)) part {
		return part{name, func(ctx context.Context) error { run(ctx, work); return nil }}
	}
	return []stage{
		{{"outbox", func(ctx context.Context) error { p.outbox.Run(ctx); return nil }}},
		{{"recorder", p.recorder.Run}, {"membership", p.member.Run}},
		{
			until("dispatcher", p.dispatcher.Run),
			until("lanes", p.lanes.Run),
			until("ordered webhooks", p.ordered.Run),
			until("waiting deliveries", p.waiting.Run),
			until("tests", p.offerTests),
			until("recoveries", p.recoveries.Run),
			until("unsubscriber", p.unsubscriber.Run),
			{"quotas", func(ctx context.Context) error { p.quotas.Run(ctx); return nil }},
			{"account", func(ctx context.Context) error { p.counter.Run(ctx); return nil }},
			{"maintenance", func(ctx context.Context) error { p.maintenance.run(ctx); return nil }},
		},
	}
}

// offerTests answers tests until ctx ends. A replica that cannot still delivers.
func (p *parts) offerTests(ctx, work context.Context) {
	if err := p.tests.Run(ctx, work); err != nil {
		p.log.Error("test service not started, this replica answers no tests", slog.Any("error", err))
	}
}

func (a *App) assemble() (*parts, error) {
	listener := &listener{}
	member, err := a.deps.Stream.Join(a.replica, listener)
	if err != nil {
		return nil, fmt.Errorf("join the fleet: %w", err)
	}
	matcher, err := match.New(match.Together(a.deps.Store), member, cacheBytes)
	if err != nil {
		return nil, fmt.Errorf("make matcher: %w", err)
	}
	log, now := a.deps.Log, a.deps.Store.Now
	notices, err := outbox.New(a.deps.Store, a.deps.Stream, a.deps.Registry, log)
	if err != nil {
		return nil, fmt.Errorf("make outbox: %w", err)
	}
	notifying := &record.NotifyingStore{Store: a.deps.Store, Notifier: a.deps.Stream, Outbox: notices, Log: log}
	recorder := record.New(notifying, a.cfg.Policy, record.DefaultOptions(), log, a.metrics)
	a.deps.Health.Add("records", recorder.Check)
	slots, backlog := limit.NewSlots(a.cfg.MaxInFlight), limit.NewBacklog(record.DefaultOptions().Pending)
	workers := limit.NewWorkers(a.cfg.MaxInFlight)
	webhooks := limit.NewWebhooks(limit.Limits{Total: a.cfg.MaxInFlight, PerWebhook: a.cfg.WebhookMaxInFlight, MaxWait: maxWait}, workers.Do)
	a.deps.Registry.MustRegister(webhooks, backlog)
	deliverer := &deliver.Deliverer{
		Sender: a.deps.Sender, Recorder: recorder, Progress: record.NewProgressReader(a.deps.Store, now), Matcher: matcher,
		Announcer: a.deps.Stream, Webhooks: webhooks, Metrics: a.metrics.By(metrics.Direct), Tracer: a.deps.Tracer, Now: now, Log: log,
	}
	repeats := &repeat.Finder{Fleet: member, Events: a.deps.Stream, Observer: a.metrics, Now: now, Log: log}
	queued := func(way metrics.Way) queue.Parts {
		return queue.Parts{
			Stream: a.deps.Stream, Matcher: matcher, Deliverer: deliverer.By(a.metrics.By(way)), Webhooks: webhooks, Slots: slots,
			Repeats: repeats, Retention: a.cfg.Retention, Now: now, Log: log, Tracer: a.deps.Tracer,
		}
	}
	lanes, ordered := queue.NewLanes(queued(metrics.Lane), a.cfg.WebhookMaxInFlight), queue.NewOrdered(queued(metrics.Ordered))
	waiting := queue.NewWaiting(queued(metrics.Lane), a.deps.Store, a.replica, lanes, a.cfg.WebhookMaxInFlight)
	listener.begin(matcher, lanes, ordered, repeats)
	quotas := usage.NewWatch(a.deps.Store, log)
	counter := &account.Counter{Replica: a.replica, Store: a.deps.Store, Broker: a.deps.Stream, Limits: a.cfg.Quotas, Now: now, Log: log}
	read := state(a.deps.Sender, slots, webhooks, recorder, lanes, waiting, matcher, repeats)
	a.usage(&read, quotas, counter)
	pruning := &maintenance{
		store: a.deps.Store, log: log, keep: store.Retention{Log: a.cfg.Retention, Audit: a.cfg.AuditRetention}, most: a.cfg.LogMaxBytes,
	}
	read.LogBytes = func() float64 { return float64(pruning.logBytes.Load()) }
	read.LogLimit = func() float64 { return float64(a.cfg.LogMaxBytes) }
	read.LogOldest = func() float64 { return float64(pruning.logOldest.Load()) }
	metrics.Watch(a.deps.Registry, read)
	places := a.places()
	return &parts{
		log: log, outbox: notices, recorder: recorder, member: member, lanes: lanes, ordered: ordered, waiting: waiting,
		dispatcher: &dispatch.Dispatcher{
			Stream: a.deps.Stream, Matcher: matcher, Slots: slots, Webhooks: webhooks, Lanes: lanes, Ordered: ordered, Waiting: waiting, Repeats: repeats, Quotas: quotas,
			Deliverer: deliverer, Workers: workers, Backlog: backlog, Batch: min(maxPull, max(1, a.cfg.MaxInFlight/4)), Now: now, Log: log, Metrics: a.metrics, Tracer: a.deps.Tracer,
		},
		tests:        a.tests(matcher, deliverer, places.tests),
		recoveries:   a.recoveries(matcher, deliverer),
		unsubscriber: &unsubscribe.Unsubscriber{Stream: a.deps.Stream, Sender: a.deps.Sender, Log: log, Places: places.unsubscriptions},
		maintenance:  pruning,
		quotas:       quotas, counter: counter,
	}, nil
}

// places are what organizations share besides the places for deliveries.
type places struct {
	tests           *share.Pool
	unsubscriptions *share.Pool
}

// places returns those of a replica, with their metrics. A test that gets no place is
// refused at once, since a person waits for it; an unsubscription waits here, with a
// bound, and then in the stream.
func (a *App) places() places {
	const each, waiting = 64, 256
	p := places{
		tests:           share.NewPool("tests", share.Rule{Total: each, Factor: 1}, 0),
		unsubscriptions: share.NewPool("unsubscriptions", share.Rule{Total: each, Factor: 1}, waiting),
	}
	a.deps.Registry.MustRegister(p.tests, p.unsubscriptions)
	return p
}

// tests returns the service that makes the tests of the Test button.
func (a *App) tests(matcher *match.Matcher, deliverer *deliver.Deliverer, places *share.Pool) *stream.TestService {
	t := &tester.Tester{
		Matcher: matcher, Sender: a.deps.Sender, Deliverer: deliverer,
		UserAgent: delivery.UserAgent(cli.Version()), Now: a.deps.Store.Now, Tracer: a.deps.Tracer,
	}
	return a.deps.Stream.NewTestService(a.deps.Log, places, t.Test)
}

// recoveries returns what works on the jobs that deliver what webhooks missed.
func (a *App) recoveries(matcher *match.Matcher, deliverer *deliver.Deliverer) *recovery.Runner {
	return &recovery.Runner{
		Replica: a.replica, Store: a.deps.Store, Stream: a.deps.Stream, Matcher: matcher, Deliverer: deliverer,
		PendingTime: a.cfg.DeliveryTimeout + recordGrace, Now: a.deps.Store.Now, Log: a.deps.Log,
	}
}

// usage adds the functions that read what organizations use.
func (a *App) usage(to *metrics.State, quotas *usage.Watch, counter *account.Counter) {
	to.OverQuota = quotas.Counts
	to.Quotas = func() map[string]int {
		limits := make(map[string]int)
		for _, name := range quota.Names() {
			limits[string(name)] = int(a.cfg.Quotas.Of(name))
		}
		return limits
	}
	to.Counting = func() float64 {
		if counter.Counting() {
			return 1
		}
		return 0
	}
	to.Counted = func() float64 { all, _ := counter.Bytes(); return float64(all) }
	to.CountedMost = func() float64 { _, most := counter.Bytes(); return float64(most) }
}

// state returns the functions that the metrics of the replica's state read.
func state(sender *egress.Client, slots *limit.Slots, webhooks *limit.Webhooks, recorder *record.Recorder, lanes *queue.Lanes, waiting *queue.Waiting, matcher *match.Matcher, repeats *repeat.Finder) metrics.State {
	return metrics.State{
		SlotsUsed:    func() float64 { return float64(slots.Used()) },
		SlotsLimit:   func() float64 { return float64(slots.Limit()) },
		Lanes:        lanes.Modes,
		InFlight:     func() float64 { return float64(webhooks.InFlight()) },
		Unrecorded:   func() float64 { return float64(recorder.Pending()) },
		Connections:  sender.Connections,
		Waiting:      func() float64 { return float64(waiting.Total()) },
		Drained:      func() float64 { return float64(waiting.Drained()) },
		Remembered:   func() float64 { return float64(repeats.Remembered()) },
		LanesOpen:    func() float64 { return float64(lanes.Open()) },
		CacheSize:    func() float64 { return float64(matcher.Size()) },
		CacheBytes:   func() float64 { return float64(matcher.Bytes()) },
		CacheHits:    func() float64 { return float64(matcher.Stats().Hits.Load()) },
		CacheMisses:  func() float64 { return float64(matcher.Stats().Misses.Load()) },
		CacheNoLease: func() float64 { return float64(matcher.Stats().Unleased.Load()) },
	}
}
