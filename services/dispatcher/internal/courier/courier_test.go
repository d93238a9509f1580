package courier_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/dispatcher/internal/courier"
	"github.com/dialnote/webhooks/services/dispatcher/internal/inflight"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
	"github.com/dialnote/webhooks/services/dispatcher/internal/record"
)

var errRecord = errors.New("cannot be written")

// trace plays every part of a courier and keeps the order in which they are
// called, with what is held at that moment.
type trace struct {
	slots    *inflight.Slots
	webhooks *inflight.Webhooks
	steps    []string
	held     int // slots and places held when the outcome was recorded

	lost     bool // the context ended before there was an outcome
	recorded delivery.Step
	err      error
	deaf     error // what announcing returns
}

func (r *trace) Make(context.Context, *match.Target, delivery.Delivery, int) (delivery.Attempt, bool) {
	r.steps = append(r.steps, "make")
	return delivery.Attempt{ID: "att_1", DeliveryID: "dlv_1"}, !r.lost
}

func (r *trace) Decline(_ *match.Target, _ delivery.Delivery, result delivery.Result, message string) delivery.Attempt {
	r.steps = append(r.steps, "decline "+message)
	return delivery.Attempt{ID: "att_1", Outcome: delivery.Outcome{Result: result}}
}

func (r *trace) Record(_ context.Context, _ *delivery.Attempt, then record.Then) {
	r.steps = append(r.steps, "record")
	r.held = r.slots.Used() + r.webhooks.InFlight()
	then(r.recorded, r.err)
}

func (r *trace) Drop(organizationID string) { r.steps = append(r.steps, "drop "+organizationID) }

func (r *trace) Announce(c stream.Change) error {
	r.steps = append(r.steps, "announce "+c.WebhookID)
	return r.deaf
}

func (r *trace) Attempted(*match.Target, delivery.Delivery, delivery.Attempt) {
	r.steps = append(r.steps, "attempted")
}

func (r *trace) Recorded(delivery.Attempt, delivery.Step) { r.steps = append(r.steps, "recorded") }

// carry makes an attempt as a delivery does that has entered its webhook.
func (r *trace) carry(t *testing.T) (delivery.Step, error) {
	t.Helper()
	r.slots = inflight.NewSlots(4)
	r.webhooks = inflight.NewWebhooks(inflight.Limits{Total: 4, PerWebhook: 4})
	slot, err := r.slots.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !r.webhooks.TryEnter("wh_1") {
		t.Fatal("the webhook cannot be entered")
	}
	c := courier.Courier{
		Maker: r, Recorder: r, Cache: r, Announcer: r, Webhooks: r.webhooks, Log: slog.New(slog.DiscardHandler), Observer: r,
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if r.lost {
		cancel()
	}
	d := delivery.Delivery{ID: "dlv_1", WebhookID: "wh_1", OrganizationID: "acme"}
	got, err := c.Carry(ctx, &match.Target{}, d, 1, slot)
	if used, inFlight := r.slots.Used(), r.webhooks.InFlight(); used != 0 || inFlight != 0 {
		t.Errorf("%d slots and %d places are still held", used, inFlight)
	}
	return got, err
}

func recorded(change func(*webhook.Health)) delivery.Step {
	w := webhook.Webhook{ID: "wh_1", OrganizationID: "acme"}
	after := w
	change(&after.Health)
	return delivery.Step{Found: true, Before: &w, After: &after, Decision: delivery.Decision{Action: delivery.Done}}
}

func (r *trace) want(t *testing.T, steps ...string) {
	t.Helper()
	if !slices.Equal(r.steps, steps) {
		t.Errorf("did %q, want %q", r.steps, steps)
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
		tr := &trace{recorded: r, deaf: errors.New("nobody hears")} // they find out when their lease ends
		if _, err := tr.carry(t); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		tr.want(t, "make", "attempted", "record", "recorded", "drop acme", "announce wh_1")
		if tr.held != 0 {
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
		tr := &trace{recorded: r}
		if _, err := tr.carry(t); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		tr.want(t, "make", "attempted", "record", "recorded")
	}
}

func TestWithoutAnOutcomeNothingIsRecorded(t *testing.T) {
	t.Parallel()
	tr := &trace{lost: true}
	if _, err := tr.carry(t); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	tr.want(t, "make")
}

func TestWhatIsNotRecordedIsAnError(t *testing.T) {
	t.Parallel()
	tr := &trace{err: errRecord}
	if _, err := tr.carry(t); !errors.Is(err, errRecord) {
		t.Errorf("got %v", err)
	}
	tr.want(t, "make", "attempted", "record")
}

func TestDeclineIsRecordedAndNotCounted(t *testing.T) {
	t.Parallel()
	tr := &trace{recorded: recorded(func(*webhook.Health) {})}
	tr.slots, tr.webhooks = inflight.NewSlots(1), inflight.NewWebhooks(inflight.Limits{Total: 1, PerWebhook: 1})
	c := courier.Courier{Maker: tr, Recorder: tr, Cache: tr, Announcer: tr, Log: slog.New(slog.DiscardHandler), Observer: tr}
	if err := c.Decline(t.Context(), &match.Target{}, delivery.Delivery{}, delivery.Skipped, "why"); err != nil {
		t.Error(err)
	}
	tr.want(t, "decline why", "record", "recorded")
	tr.err = errRecord
	if err := c.Decline(t.Context(), &match.Target{}, delivery.Delivery{}, delivery.Skipped, "why"); !errors.Is(err, errRecord) {
		t.Errorf("got %v", err)
	}
}
