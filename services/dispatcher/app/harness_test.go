package app_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/egress"
	"github.com/dialnote/webhooks/pkg/endpoint"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/natstest"
	"github.com/dialnote/webhooks/pkg/ops"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/store/storetest"
	"github.com/dialnote/webhooks/pkg/store/storeurl"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/dispatcher/app"
)

// patience bounds a failing test; a passing one waits for events.
const patience = 2 * time.Minute

// system is a broker and a database that any number of replicas work with.
type system struct {
	nats  *natstest.Server
	conn  *stream.Conn // the test's own
	store *flaky
}

func newSystem(t *testing.T) *system {
	t.Helper()
	return newSystemOn(t, "sqlite://"+filepath.Join(t.TempDir(), "test.db"))
}

func newSystemOn(t *testing.T, databaseURL string) *system {
	t.Helper()
	s := &system{nats: natstest.Start(t)}
	s.conn = s.connect(t)
	if err := s.conn.Ensure(t.Context(), stream.Topology{Retention: time.Hour, Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	db, err := storeurl.Open(t.Context(), databaseURL, storetest.Box(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	s.store = &flaky{Store: db}
	return s
}

func (s *system) connect(t *testing.T) *stream.Conn {
	t.Helper()
	c, err := stream.Connect(stream.Settings{URL: s.nats.ClientURL(), Name: t.Name()}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// flaky is a store whose database can be away, and which cannot read the
// webhooks of broken organizations.
type flaky struct {
	store.Store
	away   atomic.Bool
	broken sync.Map
	reads  atomic.Int64                  // of webhooks, for the cache
	gate   atomic.Pointer[chan struct{}] // holds up recording until it is closed

	beforeCount   atomic.Pointer[func()]                // runs before a part of a stream is counted
	beforeAdvance atomic.Pointer[func(context.Context)] // runs before a batch of a recovery is counted
}

func (f *flaky) fault() error {
	if f.away.Load() {
		return fault.New(fault.Unavailable, "database-unavailable", "Away.")
	}
	return nil
}

func (f *flaky) Count(ctx context.Context, holder string, part store.CountedPart) (bool, error) {
	if before := f.beforeCount.Load(); before != nil {
		(*before)()
	}
	return f.Store.Count(ctx, holder, part)
}

func (f *flaky) All(ctx context.Context, organizationID string) ([]webhook.Webhook, error) {
	f.reads.Add(1)
	if _, broken := f.broken.Load(organizationID); broken {
		return nil, errors.New("a row cannot be read")
	}
	if err := f.fault(); err != nil {
		return nil, err
	}
	return f.Store.All(ctx, organizationID)
}

func (f *flaky) AllOf(ctx context.Context, organizationIDs []string) (map[string][]webhook.Webhook, error) {
	f.reads.Add(int64(len(organizationIDs)))
	for _, id := range organizationIDs {
		if _, broken := f.broken.Load(id); broken {
			return nil, errors.New("a row cannot be read")
		}
	}
	if err := f.fault(); err != nil {
		return nil, err
	}
	return f.Store.AllOf(ctx, organizationIDs)
}

func (f *flaky) Record(ctx context.Context, p delivery.Policy, attempts []delivery.Attempt) ([]delivery.Step, error) {
	if err := f.fault(); err != nil {
		return nil, err
	}
	if gate := f.gate.Load(); gate != nil {
		<-*gate
	}
	return f.Store.Record(ctx, p, attempts)
}

func (f *flaky) Progress(ctx context.Context, ids []string, within delivery.TimeRange) (map[string]delivery.Progress, error) {
	if err := f.fault(); err != nil {
		return nil, err
	}
	return f.Store.Progress(ctx, ids, within)
}

func (f *flaky) AdvanceRecovery(ctx context.Context, holder string, r delivery.Recovery, now time.Time) (bool, error) {
	if before := f.beforeAdvance.Load(); before != nil {
		(*before)(ctx)
	}
	return f.Store.AdvanceRecovery(ctx, holder, r, now)
}

// stopAtBatch has the replica that counts the nth batch of a recovery wait before
// it does so. reached is closed when it waits, and closing goOn ends the wait.
func (f *flaky) stopAtBatch(n int64) (reached, goOn chan struct{}) {
	reached, goOn = make(chan struct{}), make(chan struct{})
	var batches atomic.Int64
	wait := func(ctx context.Context) {
		if batches.Add(1) != n {
			return
		}
		close(reached)
		select {
		case <-goOn:
		case <-ctx.Done():
		}
	}
	f.beforeAdvance.Store(&wait)
	return reached, goOn
}

// Prune keeps the log, also when a test's retention is shorter than the test.
func (f *flaky) Prune(context.Context, time.Time, store.Retention) error { return nil }

// config is a dispatcher's with a schedule in milliseconds. It disables no webhook
// and ends no attempt while a test lasts, however busy the machine is.
func config(schedule ...int) app.Config {
	c := app.Config{
		Policy:          delivery.Policy{AutoDisableAfter: 100},
		DeliveryTimeout: time.Hour, MaxInFlight: 512, WebhookMaxInFlight: 32, Retention: time.Hour, AuditRetention: 24 * time.Hour,
	}
	for _, ms := range schedule {
		c.Policy.Schedule = append(c.Policy.Schedule, time.Duration(ms)*time.Millisecond)
	}
	return c
}

// never is a step, in milliseconds, that outlasts every test.
const never = 3_600_000

// replica is a running dispatcher.
type replica struct {
	stop  func() // asks it to stop and waits until it has
	kill  func() // stops it without waiting for what is in flight
	ended chan error

	registry *prometheus.Registry
}

// gauge returns the value of one of the dispatcher's gauges or counters.
func (r *replica) gauge(t *testing.T, name string) float64 {
	t.Helper()
	families, err := r.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == "dialnote_dispatcher_"+name {
			m := family.GetMetric()[0]
			return m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	t.Fatalf("there is no gauge %s", name)
	return 0
}

// heldBack returns how often an organization was held back.
func (r *replica) heldBack(t *testing.T, of, reason, result string) float64 {
	t.Helper()
	families, err := r.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"of": of, "reason": reason, "result": result}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			got := map[string]string{}
			for _, l := range m.GetLabel() {
				got[l.GetName()] = l.GetValue()
			}
			if family.GetName() == "dialnote_held_back_total" && maps.Equal(got, want) {
				return m.GetCounter().GetValue()
			}
		}
	}
	t.Fatalf("there is no metric of %v", want)
	return 0
}

// run starts a replica. It is stopped when the test ends.
func (s *system) run(t *testing.T, cfg app.Config) *replica {
	t.Helper()
	return s.runUnder(t, cfg, endpoint.Policy{AllowHTTP: true, AllowPrivate: true})
}

// runUnder is run with a rule of its own for where requests may go.
func (s *system) runUnder(t *testing.T, cfg app.Config, policy endpoint.Policy) *replica {
	t.Helper()
	sender, err := egress.New(egress.Config{
		Timeout: cfg.DeliveryTimeout, UserAgent: "DialNote-Webhooks/test", MaxIdlePerHost: 256,
		Policy: policy,
	})
	if err != nil {
		t.Fatal(err)
	}
	health, registry := ops.NewHealth(), prometheus.NewRegistry()
	a := app.New(cfg, app.Dependencies{
		Store: s.store, Stream: s.connect(t), Sender: sender, Log: slog.New(slog.DiscardHandler),
		Registry: registry, Health: health,
	})
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	hardStop, cut := context.WithCancel(context.WithoutCancel(t.Context()))
	r := &replica{ended: make(chan error, 1), registry: registry}
	go func() { r.ended <- a.Run(ctx, hardStop) }()
	var over atomic.Bool
	wait := func() {
		if over.Swap(true) {
			return
		}
		select {
		case err := <-r.ended:
			if err != nil {
				t.Errorf("the replica ended with %v", err)
			}
		case <-time.After(patience):
			t.Error("the replica does not end")
		}
		sender.Close()
	}
	r.stop = func() { cancel(); wait() }
	r.kill = func() { cut(); cancel(); wait() }
	t.Cleanup(func() { cut(); cancel(); wait() })
	await(t, "the replica is ready", func() bool { return ready(t, health) })
	return r
}

func ready(t *testing.T, health *ops.Health) bool {
	t.Helper()
	for _, err := range health.Ready(t.Context()) {
		if err != nil {
			return false
		}
	}
	return true
}

// webhook creates an active webhook of an organization that sends calls to url.
func (s *system) webhook(t *testing.T, organizationID, url string) webhook.Webhook {
	t.Helper()
	w := storetest.Webhook(organizationID)
	w.URL = url
	w.Health.CountFrom = time.Now()
	return s.create(t, w)
}

func (s *system) create(t *testing.T, w webhook.Webhook) webhook.Webhook {
	t.Helper()
	if err := s.store.Create(t.Context(), storetest.By(), w, 1000); err != nil {
		t.Fatal(err)
	}
	s.announce(t, w)
	return w
}

func (s *system) announce(t *testing.T, w webhook.Webhook) {
	t.Helper()
	if err := s.conn.Announce(stream.Change{OrganizationID: w.OrganizationID, WebhookID: w.ID}); err != nil {
		t.Fatal(err)
	}
}

// update changes a webhook as the config API does.
func (s *system) update(t *testing.T, w webhook.Webhook, change func(*webhook.Webhook)) {
	t.Helper()
	_, err := s.store.Update(t.Context(), storetest.By(), w.OrganizationID, w.ID, 0, func(w webhook.Webhook) (webhook.Webhook, error) {
		change(&w)
		return w, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.announce(t, w)
}

func (s *system) get(t *testing.T, w webhook.Webhook) webhook.Webhook {
	t.Helper()
	got, err := s.store.Get(t.Context(), w.OrganizationID, w.ID)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// exists reports whether a webhook is still there.
func (s *system) exists(t *testing.T, w webhook.Webhook) bool {
	t.Helper()
	_, err := s.store.Get(t.Context(), w.OrganizationID, w.ID)
	if err != nil && !fault.Is(err, fault.NotFound) {
		t.Fatal(err)
	}
	return err == nil
}

// publish publishes a call for each id, in order, until the broker has it.
func (s *system) publish(t *testing.T, organizationID string, ids ...string) {
	t.Helper()
	for _, id := range ids {
		e := event.Sample(event.CallCompleted, organizationID, id, time.Now())
		await(t, "publish "+id, func() bool {
			err := s.conn.Publish(t.Context(), e)
			if err != nil && !fault.Is(err, fault.Unavailable) {
				t.Fatal(err)
			}
			return err == nil
		})
	}
}

// enlane publishes calls one after the other, each when the one before it
// waits: so that their order in the lane is known.
func (s *system) enlane(t *testing.T, w webhook.Webhook, ids ...string) {
	t.Helper()
	held := s.held(t, w)
	for i, id := range ids {
		s.publish(t, w.OrganizationID, id)
		s.awaitHeld(t, w, held+int64(i)+1)
	}
}

func (s *system) held(t *testing.T, w webhook.Webhook) int64 {
	t.Helper()
	n, err := s.conn.Held(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := s.store.CountWaiting(t.Context(), []string{w.ID})
	if err != nil {
		t.Fatal(err)
	}
	return n + kept[w.ID]
}

func (s *system) awaitHeld(t *testing.T, w webhook.Webhook, n int64) {
	t.Helper()
	await(t, fmt.Sprintf("%d deliveries wait", n), func() bool { return s.held(t, w) == n })
}

func (s *system) awaitHealth(t *testing.T, w webhook.Webhook, what string, ok func(webhook.Health) bool) webhook.Health {
	t.Helper()
	var last webhook.Health
	await(t, what, func() bool {
		last = s.get(t, w).Health
		return ok(last)
	})
	return last
}

// attempts returns what is recorded of an event's delivery, without the entries
// that say that it waits.
func (s *system) attempts(t *testing.T, w webhook.Webhook, eventID string) []store.LoggedAttempt {
	t.Helper()
	all, err := s.store.Attempts(t.Context(), w.OrganizationID, w.ID, delivery.ID(w.ID, eventID))
	if err != nil && !fault.Is(err, fault.NotFound) {
		t.Fatal(err)
	}
	var made []store.LoggedAttempt
	for _, a := range all {
		if a.Outcome.Result != delivery.Deferred {
			made = append(made, a)
		}
	}
	return made
}

// awaitStatus waits until the last entry of a delivery's log has a status.
func (s *system) awaitStatus(t *testing.T, w webhook.Webhook, status delivery.Status, ids ...string) {
	t.Helper()
	for _, id := range ids {
		await(t, fmt.Sprintf("the delivery of %s is %s", id, status), func() bool {
			made := s.attempts(t, w, id)
			return len(made) > 0 && made[len(made)-1].Status == status
		})
	}
}

// await polls until ok; the deadline only bounds a failing test.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				t.Fatalf("waited %s and it is not so: %s", patience, what)
			}
			return
		}
	}
}

// awaitCount polls until count has reached n. The deadline, which only bounds a
// failing test, begins again with each step towards it.
func awaitCount(t *testing.T, what string, n int, count func() int) {
	t.Helper()
	for last := count(); last < n; {
		await(t, fmt.Sprintf("%d %s, more than %d", n, what, last), func() bool { return count() > last })
		last = count()
	}
}

func names(prefix string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("evt_%s_%04d", prefix, i)
	}
	return list
}
