package stream_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/natstest"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/proto"
)

func topology() stream.Topology {
	return stream.Topology{Retention: time.Hour, Replicas: 1}
}

func connect(t *testing.T, srv *natstest.Server) *stream.Conn {
	t.Helper()
	return connectTo(t, srv.ClientURL())
}

func connectTo(t *testing.T, url string) *stream.Conn {
	t.Helper()
	c, err := stream.Connect(stream.Settings{URL: url, Name: t.Name()}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func ensured(t *testing.T) *stream.Conn {
	t.Helper()
	c := connect(t, natstest.Start(t))
	if err := c.Ensure(t.Context(), topology()); err != nil {
		t.Fatal(err)
	}
	return c
}

func sample(t *testing.T, id string) event.Event {
	t.Helper()
	return event.Sample(event.CallCompleted, "acme", id, time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC))
}

func TestEnsureIsTheSameAnyNumberOfTimes(t *testing.T) {
	t.Parallel()
	url := natstest.StartApart(t)
	var wg sync.WaitGroup
	for range 4 {
		c := connectTo(t, url)
		wg.Go(func() {
			for range 3 {
				if err := c.Ensure(t.Context(), topology()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func TestPublishStoresAnEvent(t *testing.T) {
	t.Parallel()
	c := ensured(t)
	e := sample(t, "evt_test_1")
	if err := c.Publish(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	events, err := c.EventsOf(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	var got []*stream.Message
	n, err := events.Pull(t.Context(), 10, 200*time.Millisecond, func(m *stream.Message) { got = append(got, m) })
	if err != nil || n != 1 {
		t.Fatalf("pulled %d, %v; want 1 event", n, err)
	}
	if string(got[0].Data) != string(e.Body()) {
		t.Errorf("body is %s, want %s", got[0].Data, e.Body())
	}
	if got[0].Subject != proto.SubjectEvent("acme", "call.completed") {
		t.Errorf("subject is %s", got[0].Subject)
	}
}

func TestPublishWhileTheBrokerIsAwayIsUnavailable(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	c := connect(t, srv)
	if err := c.Ensure(t.Context(), topology()); err != nil {
		t.Fatal(err)
	}
	srv.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	err := c.Publish(ctx, sample(t, "evt_test_2"))
	if !fault.Is(err, fault.Unavailable) {
		t.Fatalf("error is %v, want one of kind Unavailable", err)
	}
	srv.Restart(t)
	await(t, func() bool { return c.Publish(t.Context(), sample(t, "evt_test_3")) == nil })
}

func TestRejectedMessagesAreKeptWithTheirReason(t *testing.T) {
	t.Parallel()
	c := ensured(t)
	if err := c.Publish(t.Context(), sample(t, "evt_test_4")); err != nil {
		t.Fatal(err)
	}
	events, err := c.EventsOf(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	_, err = events.Pull(t.Context(), 1, time.Second, func(m *stream.Message) {
		if err := c.Reject(t.Context(), m, "line one\nline two"); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

func waiting(id string) delivery.Delivery {
	return delivery.Delivery{
		ID: delivery.ID("wh_1", id), WebhookID: "wh_1", OrganizationID: "acme", EventID: id,
		EventType: event.CallCompleted, EventSequence: 7, EventStored: time.Unix(1_700_000_000, 5).UTC(), Body: []byte(`{"a":1}`), // which the lane does not keep
	}
}

// pullLane pulls until n deliveries came, acknowledging each.
func pullLane(t *testing.T, lane *stream.Lane, n int) []delivery.Delivery {
	t.Helper()
	var got []delivery.Delivery
	await(t, func() bool {
		_, err := lane.Pull(t.Context(), n-len(got), 100*time.Millisecond, func(d delivery.Delivery, m *stream.Message) {
			got = append(got, d)
			if err := m.Ack(); err != nil {
				t.Error(err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		return len(got) >= n
	})
	return got
}

func TestLaneKeepsOrderAndContent(t *testing.T) {
	t.Parallel()
	c := ensured(t)
	ids := []string{"one", "two", "three"}
	for _, id := range ids {
		for range 2 { // the second is the same message
			if err := c.Enqueue(t.Context(), waiting(id), 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	if held, err := c.Held(t.Context(), webhook.Webhook{ID: "wh_1"}); err != nil || held != 3 {
		t.Fatalf("held is %d, %v; want 3", held, err)
	}
	lane, err := c.OpenLane(t.Context(), "wh_1", 1, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range pullLane(t, lane, 3) {
		want := waiting(ids[i])
		if d.ID != want.ID || d.EventID != want.EventID || d.OrganizationID != "acme" || d.EventSequence != 7 ||
			!d.EventStored.Equal(want.EventStored) || d.Body != nil || d.EventType != event.CallCompleted {
			t.Errorf("delivery %d is %+v, want %+v", i, d, want)
		}
	}
}

func TestScheduledDeliveryEntersItsLaneInTimeAndIsAnnounced(t *testing.T) {
	t.Parallel()
	c := ensured(t)
	l := &listener{arrived: make(chan stream.Arrival, 16), changed: make(chan stream.Change, 16)}
	if _, err := c.Join("a", l); err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(300 * time.Millisecond)
	if err := c.EnqueueAt(t.Context(), waiting("later"), 1, at); err != nil {
		t.Fatal(err)
	}
	if held, err := c.Held(t.Context(), webhook.Webhook{ID: "wh_1"}); err != nil || held != 1 {
		t.Fatalf("held is %d, %v; want the scheduled one", held, err)
	}
	select {
	case a := <-l.arrived:
		if early := time.Until(at); early > 0 {
			t.Errorf("it arrived %s early", early)
		}
		if a != (stream.Arrival{OrganizationID: "acme", WebhookID: "wh_1"}) {
			t.Errorf("arrival is %+v", a)
		}
	case <-time.After(2 * time.Minute):
		t.Fatal("it never arrived")
	}
	lane, err := c.OpenLane(t.Context(), "wh_1", 4, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	pullLane(t, lane, 1)
	await(t, func() bool {
		held, err := c.Held(t.Context(), webhook.Webhook{ID: "wh_1"})
		return err == nil && held == 0
	})
}

func TestPausedLaneHandsNothingOutUntilItsHoldEnds(t *testing.T) {
	t.Parallel()
	c := ensured(t)
	if err := c.Enqueue(t.Context(), waiting("one"), 0); err != nil {
		t.Fatal(err)
	}
	until := time.Now().Add(400 * time.Millisecond)
	lane, err := c.OpenLane(t.Context(), "wh_1", 1, until)
	if err != nil {
		t.Fatal(err)
	}
	pullLane(t, lane, 1)
	if time.Now().Before(until) {
		t.Error("a delivery was handed out during the hold")
	}
}

func TestProbeIsAloneAndKeepsItsPlace(t *testing.T) {
	t.Parallel()
	c := ensured(t)
	for _, id := range []string{"one", "two"} {
		if err := c.Enqueue(t.Context(), waiting(id), 0); err != nil {
			t.Fatal(err)
		}
	}
	lane, err := c.OpenLane(t.Context(), "wh_1", 1, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	var first *stream.Message
	n, err := lane.Pull(t.Context(), 2, 200*time.Millisecond, func(_ delivery.Delivery, m *stream.Message) { first = m })
	if err != nil || n != 1 {
		t.Fatalf("pulled %d, %v; want the probe alone", n, err)
	}
	// The probe failed: the hold goes on, and the delivery is the next probe.
	if _, err := c.OpenLane(t.Context(), "wh_1", 1, time.Now().Add(200*time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if err := first.Return(0); err != nil {
		t.Fatal(err)
	}
	got := pullLane(t, lane, 2)
	if got[0].EventID != "one" || got[1].EventID != "two" {
		t.Errorf("order is %s, %s", got[0].EventID, got[1].EventID)
	}
	// A lane without its consumer keeps its messages and their order.
	if err := c.CloseLane(t.Context(), "wh_1"); err != nil {
		t.Fatal(err)
	}
	if err := c.CloseLane(t.Context(), "wh_1"); err != nil {
		t.Errorf("closing a closed lane: %v", err)
	}
}

func TestDiscardRemovesWhatWaits(t *testing.T) {
	t.Parallel()
	c := ensured(t)
	if err := c.Enqueue(t.Context(), waiting("one"), 0); err != nil {
		t.Fatal(err)
	}
	if err := c.EnqueueAt(t.Context(), waiting("two"), 1, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	lanes, err := c.Lanes(t.Context())
	if err != nil || lanes["wh_1"] != 1 {
		t.Fatalf("lanes are %v, %v", lanes, err)
	}
	if org, err := c.LaneOrganization(t.Context(), "wh_1"); err != nil || org != "acme" {
		t.Errorf("the lane's organization is %q, %v", org, err)
	}
	if err := c.Discard(t.Context(), "wh_1"); err != nil {
		t.Fatal(err)
	}
	if held, err := c.Held(t.Context(), webhook.Webhook{ID: "wh_1"}); err != nil || held != 0 {
		t.Errorf("held is %d, %v", held, err)
	}
	if org, err := c.LaneOrganization(t.Context(), "wh_1"); err != nil || org != "" {
		t.Errorf("the empty lane's organization is %q, %v", org, err)
	}
}

type listener struct {
	changed chan stream.Change
	arrived chan stream.Arrival
	taken   chan []stream.Taken
}

func (l *listener) Changed(c stream.Change)             { l.changed <- c }
func (l *listener) Arrived(a stream.Arrival)            { l.arrived <- a }
func (l *listener) TakenElsewhere(taken []stream.Taken) { l.taken <- taken }

func newListener() *listener {
	return &listener{changed: make(chan stream.Change, 64), arrived: make(chan stream.Arrival, 64), taken: make(chan []stream.Taken, 64)}
}

// join joins a replica that heartbeats until the test, or the returned
// function, ends.
func join(t *testing.T, c *stream.Conn, name string, l stream.Listener) (*stream.Member, context.CancelFunc) {
	t.Helper()
	m, err := c.Join(name, l)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := m.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	leave := func() { cancel(); <-done }
	t.Cleanup(leave)
	await(t, m.Fresh)
	return m, leave
}

func TestAnnounceWaitsForEveryReplica(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	one, two := newListener(), newListener()
	join(t, connect(t, srv), "one", one)
	join(t, connect(t, srv), "two", two)
	fleet, err := connect(t, srv).WatchFleet()
	if err != nil {
		t.Fatal(err)
	}
	defer fleet.Close()
	await(t, func() bool { return fleet.Size() == 2 && fleet.Complete() })
	change := stream.Change{OrganizationID: "acme", WebhookID: "wh_1"}
	if err := fleet.Announce(t.Context(), change); err != nil {
		t.Fatal(err)
	}
	for _, l := range []*listener{one, two} {
		select {
		case got := <-l.changed:
			if got != change {
				t.Errorf("change is %+v", got)
			}
		default:
			t.Error("Announce returned before a replica had confirmed")
		}
	}
}

// A frozen replica confirms nothing. The lease ends before Announce does, so it
// does not use its cache when it thaws.
func TestAnnounceOutlastsTheLeaseOfAFrozenReplica(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	thaw := make(chan struct{})
	frozen := &freezer{thaw: thaw}
	m, _ := join(t, connect(t, srv), "frozen", frozen)
	fleet, err := connect(t, srv).WatchFleet()
	if err != nil {
		t.Fatal(err)
	}
	defer fleet.Close()
	await(t, func() bool { return fleet.Size() == 1 })
	if err := fleet.Announce(t.Context(), stream.Change{OrganizationID: "acme", WebhookID: "wh_1"}); err != nil {
		t.Fatal(err)
	}
	if m.Fresh() {
		t.Error("the frozen replica may still use its cache")
	}
	close(thaw)
	await(t, m.Fresh)
}

type freezer struct{ thaw chan struct{} }

func (f *freezer) Changed(stream.Change)         { <-f.thaw }
func (f *freezer) Arrived(stream.Arrival)        {}
func (f *freezer) TakenElsewhere([]stream.Taken) {}

func TestReplicaThatLeftIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	m, leave := join(t, connect(t, srv), "one", newListener())
	fleet, err := connect(t, srv).WatchFleet()
	if err != nil {
		t.Fatal(err)
	}
	defer fleet.Close()
	await(t, func() bool { return fleet.Size() == 1 })
	leave()
	m.BeatReturns() // one that was in transit
	if m.Fresh() {
		t.Error("a replica that left may still use its cache")
	}
	await(t, func() bool { return fleet.Size() == 0 })
}

func TestLostConnectionDropsEverythingBeforeTheLeaseReturns(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	l := newListener()
	m, _ := join(t, connect(t, srv), "one", l)
	srv.Stop()
	await(t, func() bool { return !m.Fresh() })
	srv.Restart(t)
	await(t, m.Fresh)
	select {
	case got := <-l.changed:
		if got != (stream.Change{}) {
			t.Errorf("change is %+v, want the zero Change", got)
		}
	default:
		t.Error("the lease returned and nothing was dropped")
	}
}

func TestServerTooOldIsSaid(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{
		"2.12.0": true, "2.15.2": true, "3.0.0": true, "v2.12.0-RC.1": true,
		"2.11.9": false, "2.9.0": false, "1.99.0": false, "": false, "x.y": false,
	} {
		if got := stream.VersionServes(version); got != want {
			t.Errorf("%q serves: %t, want %t", version, got, want)
		}
	}
}

// await polls until ok; the deadline only bounds a failing test.
func await(tb testing.TB, ok func() bool) {
	tb.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(2 * time.Minute)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			tb.Fatal("it did not happen")
		}
	}
}
