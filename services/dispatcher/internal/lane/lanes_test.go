package lane

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
)

// oneWebhook finds the same webhook each time.
type oneWebhook struct{ target *match.Target }

func (m *oneWebhook) Find(context.Context, string, string) (*match.Target, error) {
	return m.target, nil
}
func (*oneWebhook) Drop(string) {}

// parkedStream is a stream of which only the end of a lane's reading is asked.
type parkedStream struct{ Stream }

func (parkedStream) CloseLane(context.Context, string) error { return nil }

// A lane is an overflow until it is seen to wait for the webhook to be well.
func TestALaneOverflowsUntilItsWebhookFails(t *testing.T) {
	t.Parallel()
	l := &Lanes{
		Matcher: &oneWebhook{&match.Target{Webhook: webhook.Webhook{
			ID: "wh_1", Event: webhook.SendNotes, Health: webhook.Health{AutoDisabled: webhook.DisabledForFailures},
		}}},
		Stream: parkedStream{}, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	}
	want := func(when string, wantBusy, wantOverflow bool) {
		t.Helper()
		if busy, overflow := l.Busy("wh_1"); busy != wantBusy || overflow != wantOverflow {
			t.Errorf("%s: busy %t, overflow %t", when, busy, overflow)
		}
	}
	want("nobody reads it", false, false)
	r := &reader{lanes: l, webhookID: "wh_1", wake: make(chan struct{}, 1)}
	l.readers = map[string]*reader{"wh_1": r}
	want("it has just begun", true, true)
	r.wakeUp() // it need not wait for news
	if _, err := r.step(t.Context(), t.Context()); err != nil {
		t.Fatal(err)
	}
	want("its webhook was disabled", true, false)
}

// orphaned is a stream with a lane that nobody reads.
type orphaned struct{ Stream }

func (orphaned) Lanes(context.Context) (map[string]uint64, error) {
	return map[string]uint64{"wh_1": 1}, nil
}

func (orphaned) LaneOrganization(context.Context, string) (string, error) { return "acme", nil }

func (orphaned) OpenLane(ctx context.Context, _ string, _ int, _ time.Time) (*stream.Lane, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// Nobody knows why deliveries wait in a lane that another replica has left: none
// goes past them.
func TestALaneThatWasFoundIsNoOverflow(t *testing.T) {
	t.Parallel()
	reading, stop := context.WithCancel(t.Context())
	l := &Lanes{
		Matcher: &oneWebhook{&match.Target{Webhook: webhook.Webhook{ID: "wh_1", Event: webhook.SendNotes}}},
		Stream:  orphaned{}, Now: time.Now, Logger: slog.New(slog.DiscardHandler), pulling: reading, work: reading,
	}
	if err := l.sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if busy, overflow := l.Busy("wh_1"); !busy || overflow {
		t.Errorf("busy %t, overflow %t", busy, overflow)
	}
	stop()
	l.running.Wait()
}
