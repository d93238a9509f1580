package dispatch

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/egress"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/natstest"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/dispatcher/internal/deliver"
	"github.com/dialnote/webhooks/services/dispatcher/internal/limit"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
	"github.com/dialnote/webhooks/services/dispatcher/internal/metrics"
	"github.com/dialnote/webhooks/services/dispatcher/internal/queue"
	"github.com/dialnote/webhooks/services/dispatcher/internal/record"
)

// What waits in a lane because of a failure goes first; what only came too fast
// is passed by a delivery that finds a free place.
func TestOnlyAFailureKeepsLaterDeliveriesInLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name           string
		busy, overflow bool
		waits          bool
	}{
		{"nothing waits", false, false, false},
		{"what came too fast", true, true, false},
		{"what waits after a failure", true, false, true},
	} {
		if got := goFirst(c.busy, c.overflow); got != c.waits {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}

func TestAFreePlaceIsTakenPastAnOverflow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		webhooks := limit.NewWebhooks(limit.Limits{Total: 512, PerWebhook: 2, MaxWait: time.Minute}, limit.NewWorkers(0).Do)
		d := &Dispatcher{Webhooks: webhooks}
		enter := func(id string) <-chan bool {
			answered := make(chan bool, 1)
			h := &inHand{Dispatcher: d, turn: delivery.Turn{Delivery: delivery.Delivery{OrganizationID: "acme", WebhookID: id}}}
			h.enter(t.Context(), true, func(entered bool) limit.Job {
				answered <- entered
				return nil
			})
			return answered
		}
		answered := func(id string, took time.Duration) {
			webhooks.TryEnter(limit.Of{OrganizationID: "acme", WebhookID: id})
			webhooks.Leave(id, took)
		}
		answered("slow", 100*time.Millisecond)
		for range 2 {
			if !<-enter("slow") {
				t.Error("a free place was not taken")
			}
		}
		began := time.Now()
		if <-enter("slow") || time.Since(began) != 0 {
			t.Error("there was no place")
		}

		answered("fast", time.Microsecond)
		for range 2 {
			if !<-enter("fast") {
				t.Error("a free place was not taken")
			}
		}
		entered := enter("fast") // it keeps up, and is waited for
		webhooks.Leave("fast", time.Microsecond)
		if !<-entered {
			t.Error("a webhook that keeps up was not waited for")
		}
	})
}

// now is what a webhook is at the moment, and what was done with its delivery.
type now struct {
	webhook *webhook.Webhook // nil when it is deleted
	did     string
	message string // that was recorded
	kept    bool   // it was recorded as one that may have to wait
	slots   *limit.Slots
	used    int // slots, when it was recorded
}

func (*now) Fresh() bool { return false } // so that the webhook is read each time

func (n *now) All(context.Context, string) ([]webhook.Webhook, error) {
	if n.webhook == nil {
		return nil, nil
	}
	return []webhook.Webhook{*n.webhook}, nil
}

func (n *now) Send(context.Context, egress.Request) delivery.Outcome {
	n.did = "sent"
	return delivery.Outcome{Result: delivery.Succeeded}
}

func (n *now) Record(_ context.Context, _ delivery.Policy, attempts []delivery.Attempt) ([]delivery.Step, error) {
	n.used = n.slots.Used()
	if attempts[0].Number == 0 {
		n.did, n.message = string(attempts[0].Outcome.Result), attempts[0].Outcome.Message
		n.kept = attempts[0].Outcome.Result == delivery.Deferred && attempts[0].Waits == delivery.MayWait
	}
	steps := make([]delivery.Step, len(attempts))
	for i := range steps {
		steps[i].Decision.Action = delivery.Done
	}
	return steps, nil
}

// matcherOf returns a matcher that reads each time. Its cache has goroutines of its
// own, so it cannot be made in a synctest bubble.
func matcherOf(t *testing.T, of match.Source) *match.Matcher {
	t.Helper()
	m, err := match.New(of, &now{}, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// dispatcher returns a dispatcher whose recorder runs for the life of the test.
func (n *now) dispatcher(t *testing.T, conn *stream.Conn, matcher *match.Matcher) *Dispatcher {
	t.Helper()
	log, m := slog.New(slog.DiscardHandler), metrics.New(prometheus.NewRegistry())
	recorder := record.New(n, delivery.DefaultPolicy(), record.Options{Batch: 8, Pending: 8}, log, m)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- recorder.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	workers := limit.NewWorkers(1)
	webhooks := limit.NewWebhooks(limit.Limits{Total: 8, PerWebhook: 2, MaxWait: time.Minute}, workers.Do)
	d := &deliver.Deliverer{
		Sender: n, Recorder: recorder, Matcher: matcher, Announcer: conn, Webhooks: webhooks,
		Metrics: m.By(metrics.Direct), Now: time.Now, Log: log,
	}
	n.slots = limit.NewSlots(1)
	return &Dispatcher{
		Matcher: matcher, Deliverer: d, Webhooks: webhooks, Workers: workers, Slots: n.slots, Now: time.Now, Log: log,
		Lanes:   queue.NewLanes(queue.Parts{Stream: conn, Log: log}, 1),
		Waiting: queue.NewWaiting(queue.Parts{Log: log}, nil, "test", nil, 1),
	}
}

// connect returns a connection to a broker of the test's own.
func connect(t *testing.T) *stream.Conn {
	t.Helper()
	conn, err := stream.Connect(stream.Settings{URL: natstest.Start(t).ClientURL()}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	if err := conn.Ensure(t.Context(), stream.Topology{Retention: time.Hour, Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	return conn
}

var calls = webhook.Webhook{ID: "wh_1", OrganizationID: "acme", Event: webhook.SendCallLogs, URL: "https://example.com", Secret: "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"}

// deliverOne delivers one event to calls as it was when the event was matched.
func (d *Dispatcher) deliverOne(t *testing.T, redelivered stream.Redelivered) {
	t.Helper()
	slot, err := d.Slots.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	of := delivery.Delivery{ID: "dlv_1", WebhookID: "wh_1", OrganizationID: "acme", EventType: event.CallCompleted}
	done := make(chan error, 1)
	h := &inHand{
		Dispatcher: d, slot: slot, done: func(err error) { done <- err },
		turn: delivery.Turn{Delivery: of, Webhook: &calls, Interrupted: redelivered == stream.SurelyRedelivered},
	}
	h.deliver(t.Context(), &match.Target{Webhook: calls}, redelivered)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if used := d.Slots.Used(); used != 0 {
		t.Errorf("%d slots are still used", used)
	}
}

func wantHeld(t *testing.T, conn *stream.Conn, what string, want int64) {
	t.Helper()
	if held, err := conn.Held(t.Context(), calls); err != nil || held != want {
		t.Errorf("%s: %d deliveries wait, want %d; %v", what, held, want, err)
	}
}

// A delivery whose turn would come too late is kept with its record, and not sent.
func TestADeliveryWithoutAPlaceIsKept(t *testing.T) {
	t.Parallel()
	conn := connect(t)
	n := &now{webhook: &calls}
	d := n.dispatcher(t, conn, matcherOf(t, n))
	d.Webhooks = limit.NewWebhooks(limit.Limits{Total: 8, PerWebhook: 1, MaxWait: time.Nanosecond}, d.Workers.Do)
	d.Deliverer.Webhooks = d.Webhooks
	d.Webhooks.TryEnter(limit.Of{OrganizationID: "acme", WebhookID: "wh_1"})
	d.deliverOne(t, stream.NotRedelivered)
	if n.did != "deferred" || n.message != "Waiting for earlier deliveries to this webhook." || d.Webhooks.InFlight() != 1 {
		t.Errorf("it was %q: %q; %d in flight, want 1", n.did, n.message, d.Webhooks.InFlight())
	}
	if n.used != 0 {
		t.Error("its slot was held while the entry in the log was written")
	}
	if !n.kept {
		t.Error("it is not kept")
	}
	wantHeld(t, conn, "without a place", 0) // it has no lane
}

// What is sent goes to the webhook of the moment it is sent, not to that of the
// moment its event was matched.
func TestAWebhookThatChangedWhileADeliveryWaitedForItsTurn(t *testing.T) {
	t.Parallel()
	conn := connect(t)
	notes, off, stopped := calls, calls, calls
	notes.Event, off.Event = webhook.SendNotes, webhook.Disabled
	stopped.Health.AutoDisabled = webhook.DisabledForFailures
	for _, c := range []struct {
		name string
		now  *webhook.Webhook
		want string
		kept bool
	}{
		{"as it was", &calls, "sent", false},
		{"with another event", &notes, "skipped", false},
		{"disabled by hand", &off, "skipped", false},
		{"disabled automatically", &stopped, "deferred", true},
		{"deleted", nil, "", false},
	} {
		n := &now{webhook: c.now}
		d := n.dispatcher(t, conn, matcherOf(t, n))
		d.deliverOne(t, stream.NotRedelivered)
		if n.did != c.want || n.kept != c.kept || d.Webhooks.InFlight() != 0 {
			t.Errorf("%s: it was %q, want %q; kept %t; %d in flight", c.name, n.did, c.want, n.kept, d.Webhooks.InFlight())
		}
	}
}

// logged is a log that has as many attempts of each delivery.
type logged int

func (l logged) Progress(_ context.Context, ids []string, _ delivery.TimeRange) (map[string]delivery.Progress, error) {
	found := make(map[string]delivery.Progress, len(ids))
	for _, id := range ids {
		found[id] = delivery.Progress{Attempts: int(l)}
	}
	return found, nil
}

// An ordered event that comes again may have had its turn: then it is not listed as
// one that waits.
func TestAnOrderedEventIsListedUntilItHadItsTurn(t *testing.T) {
	t.Parallel()
	disabled := calls
	disabled.OrderedFrom, disabled.Health.AutoDisabled = 1, webhook.DisabledForFailures
	for _, c := range []struct {
		attempts    logged
		redelivered stream.Redelivered
		waits       bool
	}{
		{0, stream.NotRedelivered, true},
		{0, stream.MaybeRedelivered, true},
		{1, stream.NotRedelivered, true}, // the log is not asked
		{1, stream.MaybeRedelivered, false},
		{1, stream.SurelyRedelivered, false},
	} {
		n := &now{}
		d := n.dispatcher(t, nil, matcherOf(t, n))
		d.Deliverer.Progress = record.NewProgressReader(c.attempts, time.Now)
		why, err := d.waitsInOrder(t.Context(), &match.Target{Webhook: disabled}, delivery.Delivery{WebhookID: "wh_1", EventType: event.CallCompleted}, c.redelivered)
		if err != nil || (why != "") != c.waits {
			t.Errorf("after %d attempts, redelivered %d: it waits because of %q; %v", c.attempts, c.redelivered, why, err)
		}
	}
}
