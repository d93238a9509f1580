package deliver_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/egress"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/dispatcher/internal/deliver"
	"github.com/dialnote/webhooks/services/dispatcher/internal/limit"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
	"github.com/dialnote/webhooks/services/dispatcher/internal/metrics"
	"github.com/dialnote/webhooks/services/dispatcher/internal/record"
)

var errRecord = errors.New("cannot be written")

// parts plays what a deliverer works with and keeps the order in which it is used,
// with what is held at that moment.
type parts struct {
	slots    *limit.Slots
	webhooks *limit.Webhooks
	registry *prometheus.Registry
	matcher  *match.Matcher
	deliver  *deliver.Deliverer
	steps    []string
	held     int              // slots and places held when the outcome was recorded
	last     delivery.Attempt // that was recorded

	outcome   delivery.Outcome
	recorded  delivery.Step
	err       error
	deaf      error  // what announcing returns
	meanwhile func() // called while the outcome is recorded
}

func (p *parts) Send(context.Context, egress.Request) delivery.Outcome {
	p.steps = append(p.steps, "send")
	return p.outcome
}

func (p *parts) Record(_ context.Context, _ delivery.Policy, attempts []delivery.Attempt) ([]delivery.Step, error) {
	p.last = attempts[0]
	what := "record"
	if a := attempts[0]; a.Number == 0 {
		what += " " + a.Outcome.Message
	} else if p.count("dialnote_dispatcher_attempt_duration_seconds") != 1 {
		what += ", not counted"
	}
	p.steps = append(p.steps, what)
	p.held = p.slots.Used() + p.webhooks.InFlight()
	if p.meanwhile != nil {
		p.meanwhile()
	}
	if p.err != nil {
		return nil, p.err
	}
	return []delivery.Step{p.recorded}, nil
}

// All is the matcher's source: it is read when the cache knows nothing.
func (p *parts) All(context.Context, string) ([]webhook.Webhook, error) {
	p.steps = append(p.steps, "read webhooks")
	return nil, nil
}

func (p *parts) Announce(c stream.Change) error {
	_, err := p.matcher.Find(context.Background(), "acme", "wh_1")
	p.steps = append(p.steps, "announce "+c.WebhookID)
	return errors.Join(err, p.deaf)
}

// count returns how many values a histogram has.
func (p *parts) count(name string) uint64 {
	families, _ := p.registry.Gather()
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetHistogram().GetSampleCount()
		}
	}
	return 0
}

// start makes the deliverer and the recorder of a test. The cache knows the webhook.
func (p *parts) start(t *testing.T) {
	t.Helper()
	p.slots = limit.NewSlots(4)
	p.webhooks = limit.NewWebhooks(limit.Limits{Total: 4, PerWebhook: 4}, func(limit.Job) { t.Error("no delivery waited for its turn") })
	p.registry = prometheus.NewRegistry()
	log, m := slog.New(slog.DiscardHandler), metrics.New(p.registry)
	recorder := record.New(p, delivery.DefaultPolicy(), record.Options{Batch: 8, Pending: 8}, log, m)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- recorder.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	var err error
	if p.matcher, err = match.New(p, lease{}, 1<<20); err != nil {
		t.Fatal(err)
	}
	if _, err := p.matcher.Find(t.Context(), "acme", "wh_1"); err != nil {
		t.Fatal(err)
	}
	p.steps = nil
	p.deliver = &deliver.Deliverer{
		Sender: p, Recorder: recorder, Matcher: p.matcher, Announcer: p, Webhooks: p.webhooks,
		Metrics: m.By(metrics.Direct), Now: time.Now, Log: log,
	}
}

// run delivers to a target a delivery that has entered its webhook.
func (p *parts) run(t *testing.T, to *match.Target, turn delivery.Turn) (deliver.Result, error) {
	t.Helper()
	p.start(t)
	slot, err := p.slots.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !p.webhooks.TryEnter(limit.Of{OrganizationID: "acme", WebhookID: "wh_1"}) {
		t.Fatal("the webhook cannot be entered")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if p.outcome.Result == "" {
		cancel()
	}
	turn.Delivery = delivery.Delivery{ID: "dlv_1", WebhookID: "wh_1", OrganizationID: "acme", EventType: event.CallCompleted}
	got, err := p.deliver.Deliver(ctx, to, turn, slot)
	if n := p.webhooks.InFlight(); n != 0 {
		t.Errorf("%d places are still held", n)
	}
	if used, kept := p.slots.Used(), got.Plan.Step == delivery.PlanHold || got.Plan.Step == delivery.PlanDrop || got.Plan.Step == delivery.PlanDone; used != 0 && !kept {
		t.Errorf("%d slots are still held", used)
	}
	return got, err
}

// skip records that a delivery is skipped.
func (p *parts) skip(t *testing.T) error {
	t.Helper()
	answer := record.NewAnswer()
	p.deliver.Decline(t.Context(), &match.Target{}, delivery.Delivery{}, delivery.Skipped, "why", answer.Recorded)
	_, err := answer.Wait(t.Context())
	return err
}

// send sends to a webhook that takes everything.
func (p *parts) send(t *testing.T) (delivery.Step, error) {
	t.Helper()
	if p.outcome.Result == "" {
		p.outcome.Result = delivery.Succeeded
	}
	got, err := p.run(t, target(t, nil), delivery.Turn{})
	return got.Recorded, err
}

func recorded(change func(*webhook.Health)) delivery.Step {
	w := webhook.Webhook{ID: "wh_1", OrganizationID: "acme"}
	after := w
	change(&after.Health)
	return delivery.Step{Found: true, Before: &w, After: &after, Decision: delivery.Decision{Action: delivery.Done}}
}

func (p *parts) want(t *testing.T, steps ...string) {
	t.Helper()
	if !slices.Equal(p.steps, steps) {
		t.Errorf("did %q, want %q", p.steps, steps)
	}
}

func TestAChangeIsDroppedAndAnnouncedAfterItsRecord(t *testing.T) {
	t.Parallel()
	removed := recorded(func(*webhook.Health) {})
	removed.Decision.Action = delivery.Remove
	for name, r := range map[string]delivery.Step{
		"hold":     recorded(func(h *webhook.Health) { h.HoldUntil = time.Unix(1, 0) }),
		"disabled": recorded(func(h *webhook.Health) { h.AutoDisabled = webhook.DisabledAsGone }),
		"removed":  removed,
	} {
		p := &parts{recorded: r, deaf: errors.New("not heard")} // the others find out when their lease ends
		if _, err := p.send(t); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		p.want(t, "send", "record", "read webhooks", "announce wh_1") // read: the cache had been dropped
		if p.held != 0 {
			t.Errorf("%s: places are held while the outcome is recorded", name)
		}
	}
}

func TestWhatChangesNothingIsNotAnnounced(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]delivery.Step{
		"success": recorded(func(h *webhook.Health) { h.LastSentAt = time.Unix(1, 0) }),
		"count":   recorded(func(h *webhook.Health) { h.FailureCount = 1 }),
		"deleted": {},
	} {
		p := &parts{recorded: r}
		if _, err := p.send(t); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		p.want(t, "send", "record")
	}
}

func TestWithoutAnOutcomeNothingIsRecorded(t *testing.T) {
	t.Parallel()
	p := &parts{}
	if _, err := p.run(t, target(t, nil), delivery.Turn{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	p.want(t, "send")
}

func TestWhatIsNotRecordedIsAnError(t *testing.T) {
	t.Parallel()
	p := &parts{err: errRecord}
	if _, err := p.send(t); !errors.Is(err, errRecord) {
		t.Errorf("got %v", err)
	}
	p.want(t, "send", "record")
}

func TestDeclineIsRecordedAndNotCounted(t *testing.T) {
	t.Parallel()
	p := &parts{recorded: recorded(func(*webhook.Health) {})}
	p.start(t)
	if err := p.skip(t); err != nil {
		t.Error(err)
	}
	p.want(t, "record why")
	if n := p.count("dialnote_dispatcher_attempt_duration_seconds"); n != 0 {
		t.Errorf("%d attempts are counted", n)
	}
	p.err = errRecord
	if err := p.skip(t); !errors.Is(err, errRecord) {
		t.Errorf("got %v", err)
	}
}

// A plan that sends nothing leaves the webhook without a request; only a skip is
// recorded, and what is to be held is left to the caller.
func TestWhatIsNotSent(t *testing.T) {
	t.Parallel()
	other := target(t, func(w *webhook.Webhook) { w.Event = webhook.SendNotes })
	disabled := target(t, func(w *webhook.Webhook) { w.Health.AutoDisabled = webhook.DisabledForFailures })
	for name, c := range map[string]struct {
		to    *match.Target
		turn  delivery.Turn
		want  delivery.PlanStep
		steps []string
	}{
		"skipped": {other, delivery.Turn{}, delivery.PlanSkip, []string{"record The webhook no longer sends this event."}},
		"held":    {disabled, delivery.Turn{}, delivery.PlanHold, nil},
		"dropped": {nil, delivery.Turn{Webhook: &webhook.Webhook{Event: webhook.SendCallLogs}}, delivery.PlanDrop, nil},
		"done":    {target(t, nil), delivery.Turn{Progress: delivery.Progress{Delivered: true}}, delivery.PlanDone, nil},
	} {
		p := &parts{outcome: delivery.Outcome{Result: delivery.Succeeded}}
		got, err := p.run(t, c.to, c.turn)
		if err != nil || got.Plan.Step != c.want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		p.want(t, c.steps...)
	}
}

// While a failure that holds the endpoint is being recorded, no other delivery's
// turn comes; one that refuses only its payload holds up none.
func TestNoTurnComesWhileAFailureIsRecorded(t *testing.T) {
	t.Parallel()
	for reason, holds := range map[delivery.Reason]bool{delivery.ReasonServerError: true, delivery.ReasonClientError: false} {
		p := &parts{outcome: delivery.Outcome{Result: delivery.Failed, Reason: reason}, recorded: recorded(func(*webhook.Health) {})}
		held := make(chan bool, 1)
		p.meanwhile = func() {
			entered := p.webhooks.TryEnter(limit.Of{OrganizationID: "acme", WebhookID: "wh_1"})
			if entered {
				p.webhooks.Leave("wh_1", 0)
			}
			held <- !entered
		}
		if _, err := p.send(t); err != nil {
			t.Fatal(err)
		}
		if got := <-held; got != holds {
			t.Errorf("%s: no turn comes: %t", reason, got)
		}
		if !p.webhooks.TryEnter(limit.Of{OrganizationID: "acme", WebhookID: "wh_1"}) {
			t.Errorf("%s: no turn comes afterwards", reason)
		}
	}
}

// The number of an attempt follows those that the log has.
func TestAnAttemptIsNumberedAfterThoseBeforeIt(t *testing.T) {
	t.Parallel()
	p := &parts{outcome: delivery.Outcome{Result: delivery.Succeeded}, recorded: recorded(func(*webhook.Health) {})}
	got, err := p.run(t, target(t, nil), delivery.Turn{Progress: delivery.Progress{Attempts: 2}})
	if err != nil || got.Number != 3 || p.last.Number != 3 {
		t.Errorf("number %d, recorded as %d, want 3; %v", got.Number, p.last.Number, err)
	}
}
