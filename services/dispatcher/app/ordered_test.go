package app_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	pkgconfig "github.com/dialnote/webhooks/pkg/config"
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/natstest"
	"github.com/dialnote/webhooks/pkg/ops"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/store/storetest"
	"github.com/dialnote/webhooks/pkg/store/storeurl"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/dispatcher/app"
)

// arrivals are the requests that an endpoint got, in order, with its answers.
type arrivals struct {
	mu     sync.Mutex
	seen   []arrival
	active int
	most   int
	news   chan struct{}
}

type arrival struct {
	id     string
	status int
}

func (a *arrivals) ServeHTTP(answer func(id string, nth int) int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		id := r.Header.Get("webhook-id")
		a.mu.Lock()
		a.active++
		a.most = max(a.most, a.active)
		nth := 1
		for _, s := range a.seen {
			if s.id == id {
				nth++
			}
		}
		status := answer(id, nth)
		a.seen = append(a.seen, arrival{id, status})
		a.mu.Unlock()
		w.WriteHeader(status)
		a.mu.Lock()
		a.active--
		a.mu.Unlock()
		select {
		case a.news <- struct{}{}:
		default:
		}
	}
}

// Strictly in order: an event is first sent when the one before it was
// delivered or given up, with two replicas, one of which dies on the way.
func TestOrderedWebhookGetsItsEventsStrictlyInOrder(t *testing.T) {
	t.Parallel()
	const events = 120
	srv := natstest.Start(t)
	conn, db := opened(t, srv)
	got := &arrivals{news: make(chan struct{}, 1)}
	refused := func(n int) bool { return n%40 == 7 }   // given up after its attempts
	stumbles := func(n int) bool { return n%40 == 20 } // delivered at the second attempt
	ids := make([]string, events)
	number := map[string]int{}
	for i := range ids {
		ids[i] = fmt.Sprintf("evt_%04d", i)
		number[ids[i]] = i
	}
	endpoint := httptest.NewServer(got.ServeHTTP(func(id string, nth int) int {
		switch n := number[id]; {
		case refused(n):
			return http.StatusBadRequest
		case stumbles(n) && nth == 1:
			return http.StatusServiceUnavailable
		default:
			return http.StatusOK
		}
	}))
	t.Cleanup(endpoint.Close)

	next, err := conn.NextSequence(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w := storetest.Webhook("acme")
	w.URL, w.Event, w.OrderedFrom, w.Provider = endpoint.URL, webhook.SendCallLogs, next, webhook.Custom
	if err := db.Create(t.Context(), storetest.By(), w, 10); err != nil {
		t.Fatal(err)
	}
	kill := start(t, srv, db, 5)
	start(t, srv, db, 5)
	for _, id := range ids {
		if err := conn.Publish(t.Context(), event.Sample(event.CallCompleted, "acme", id, time.Now())); err != nil {
			t.Fatal(err)
		}
		if id == ids[events/3] {
			kill()
		}
	}
	waitFor(t, got, func() bool { return got.seen[len(got.seen)-1] == arrival{ids[events-1], http.StatusOK} })

	got.mu.Lock()
	defer got.mu.Unlock()
	if got.most != 1 {
		t.Errorf("%d requests were in flight at once", got.most)
	}
	var order []string
	for _, a := range got.seen {
		if len(order) == 0 || order[len(order)-1] != a.id {
			order = append(order, a.id)
		}
	}
	if !slices.Equal(order, ids) {
		t.Errorf("the order was %v", order)
	}
	w, err = db.Get(t.Context(), "acme", w.ID)
	if err != nil || w.Status() != webhook.StatusActive {
		t.Errorf("the webhook is %s, %v", w.Status(), err)
	}
}

func TestOrderedWebhookKeepsItsPlaceWhileItIsDisabled(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	conn, db := opened(t, srv)
	got := &arrivals{news: make(chan struct{}, 1)}
	var mu sync.Mutex
	down := true
	endpoint := httptest.NewServer(got.ServeHTTP(func(string, int) int {
		mu.Lock()
		defer mu.Unlock()
		if down {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	}))
	t.Cleanup(endpoint.Close)
	w := storetest.Webhook("acme")
	w.URL, w.Event, w.OrderedFrom, w.Provider = endpoint.URL, webhook.SendCallLogs, 1, webhook.Custom
	if err := db.Create(t.Context(), storetest.By(), w, 10); err != nil {
		t.Fatal(err)
	}
	start(t, srv, db, 3)
	publish := func(id string) {
		t.Helper()
		if err := conn.Publish(t.Context(), event.Sample(event.CallCompleted, "acme", id, time.Now())); err != nil {
			t.Fatal(err)
		}
	}
	status := func() webhook.Status {
		w, err := db.Get(t.Context(), "acme", w.ID)
		if err != nil {
			t.Fatal(err)
		}
		return w.Status()
	}
	publish("evt_one")
	waitFor(t, got, func() bool { return len(got.seen) == 3 })
	await(t, "the state that was waited for", func() bool { return status() == webhook.StatusAutoDisabled })
	publish("evt_two")
	await(t, "the state that was waited for", func() bool {
		held, err := conn.Held(t.Context(), w)
		return err == nil && held == 2
	})
	mu.Lock()
	down = false
	mu.Unlock()
	_, err := db.Update(t.Context(), storetest.By(), "acme", w.ID, 0, func(w webhook.Webhook) (webhook.Webhook, error) {
		w.Health = w.Health.Enable(time.Now())
		return w, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Announce(stream.Change{OrganizationID: "acme", WebhookID: w.ID}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, got, func() bool { return len(got.seen) >= 5 })
	got.mu.Lock()
	defer got.mu.Unlock()
	if last := got.seen[3:]; len(last) != 2 || last[0].id != "evt_one" || last[1].id != "evt_two" {
		t.Errorf("after enabling came %v", last)
	}
	await(t, "the state that was waited for", func() bool {
		held, err := conn.Held(t.Context(), w)
		return err == nil && held == 0
	})
}

// A hold that ends early, as it does when the owner saves another URL, ends for the
// delivery that ran into it as well: it is sent at once, and those after it follow.
func TestAnOrderedWebhookWhoseHoldEndsEarly(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	conn, db := opened(t, srv)
	broken, mended := &arrivals{news: make(chan struct{}, 1)}, &arrivals{news: make(chan struct{}, 1)}
	answering := func(a *arrivals, status int) string {
		endpoint := httptest.NewServer(a.ServeHTTP(func(string, int) int { return status }))
		t.Cleanup(endpoint.Close)
		return endpoint.URL
	}
	next, err := conn.NextSequence(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w := storetest.Webhook("acme")
	w.URL, w.Event, w.OrderedFrom, w.Provider = answering(broken, http.StatusServiceUnavailable), webhook.SendCallLogs, next, webhook.Custom
	if err := db.Create(t.Context(), storetest.By(), w, 10); err != nil {
		t.Fatal(err)
	}
	startWith(t, srv, db, delivery.Policy{Schedule: []time.Duration{time.Hour, 2 * time.Hour}, AutoDisableAfter: 5})
	for _, id := range []string{"evt_1", "evt_2"} {
		if err := conn.Publish(t.Context(), event.Sample(event.CallCompleted, "acme", id, time.Now())); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, broken, func() bool { return len(broken.seen) == 1 })
	await(t, "the hold", func() bool {
		got, err := db.Get(t.Context(), "acme", w.ID)
		return err == nil && got.Health.OnHold()
	})
	_, err = db.Update(t.Context(), storetest.By(), "acme", w.ID, 0, func(w webhook.Webhook) (webhook.Webhook, error) {
		w.URL, w.Health = answering(mended, http.StatusOK), w.Health.EndHold()
		return w, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Announce(stream.Change{OrganizationID: "acme", WebhookID: w.ID}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, mended, func() bool {
		return slices.Equal(mended.seen, []arrival{{"evt_1", http.StatusOK}, {"evt_2", http.StatusOK}})
	})
}

func opened(t *testing.T, srv *natstest.Server) (*stream.Conn, store.Store) {
	t.Helper()
	conn, err := stream.Connect(stream.Settings{URL: srv.ClientURL()}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	if err := conn.Ensure(t.Context(), stream.Topology{Retention: time.Hour, Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	db, err := storeurl.Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "webhooks.db"), storetest.Box(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return conn, db
}

// start runs a replica until the test ends, or until kill cuts it short.
func start(t *testing.T, srv *natstest.Server, db store.Store, disableAfter int) (kill func()) {
	t.Helper()
	return startWith(t, srv, db, delivery.Policy{
		Schedule: []time.Duration{100 * time.Millisecond, 150 * time.Millisecond, 200 * time.Millisecond}, AutoDisableAfter: disableAfter,
	})
}

// startWith is start with a policy.
func startWith(t *testing.T, srv *natstest.Server, db store.Store, policy delivery.Policy) (kill func()) {
	t.Helper()
	conn, err := stream.Connect(stream.Settings{URL: srv.ClientURL()}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	sender, err := app.NewSender(pkgconfig.Settings{
		DeliveryTimeout: time.Hour, AllowHTTPEndpoints: true, AllowPrivateEndpoints: true,
		EndpointPorts: "1024-65535", MaxInFlight: 64, WebhookMaxInFlight: 8,
	}, "test")
	if err != nil {
		t.Fatal(err)
	}
	replica := app.New(app.Config{
		Policy:          policy,
		DeliveryTimeout: time.Hour, MaxInFlight: 64, WebhookMaxInFlight: 8, Retention: time.Hour, AuditRetention: 24 * time.Hour,
	}, app.Dependencies{
		Store: db, Stream: conn, Sender: sender, Log: slog.New(slog.DiscardHandler),
		Registry: prometheus.NewRegistry(), Health: ops.NewHealth(),
	})
	ctx, cancel := context.WithCancel(t.Context())
	hardStop, cut := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := replica.Run(ctx, hardStop); err != nil {
			t.Error(err)
		}
	}()
	stop := func() { cancel(); <-done; conn.Close() }
	t.Cleanup(stop)
	return func() { cut(); stop() }
}

// waitFor waits for requests until ok.
func waitFor(t *testing.T, a *arrivals, ok func() bool) {
	t.Helper()
	deadline := time.After(patience)
	for {
		a.mu.Lock()
		good := len(a.seen) > 0 && ok()
		a.mu.Unlock()
		if good {
			return
		}
		select {
		case <-a.news:
		case <-deadline:
			t.Fatalf("it did not happen; %d requests came: %v", len(a.seen), a.seen)
		}
	}
}
