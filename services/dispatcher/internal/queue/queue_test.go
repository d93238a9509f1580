package queue

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/backoff"
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/natstest"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
)

// database is where a test's matcher reads webhooks. The cache keeps what it read
// until it is dropped.
type database struct {
	mu       sync.Mutex
	webhooks []webhook.Webhook
	reading  func() // called with each reading
}

func (*database) Fresh() bool { return true }

func (d *database) All(context.Context, string) ([]webhook.Webhook, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.reading != nil {
		d.reading()
	}
	return d.webhooks, nil
}

func (d *database) set(webhooks ...webhook.Webhook) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.webhooks = webhooks
}

// parts returns what queues are read with, but for what delivers.
func (d *database) parts(t *testing.T) Parts {
	t.Helper()
	conn, err := stream.Connect(stream.Settings{URL: natstest.Start(t).ClientURL()}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	if err := conn.Ensure(t.Context(), stream.Topology{Retention: time.Hour, Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	matcher, err := match.New(d, d, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return Parts{Stream: conn, Matcher: matcher, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
}

// cached has the cache know the webhooks of the moment.
func (p Parts) cached(t *testing.T) {
	t.Helper()
	if _, err := p.Matcher.Find(t.Context(), "acme", "wh_1"); err != nil {
		t.Fatal(err)
	}
}

// enqueue puts a delivery into the lane of wh_1.
func (p Parts) enqueue(t *testing.T) {
	t.Helper()
	e := event.Sample(event.NoteCreated, "acme", "evt_1", time.Now())
	if err := p.Stream.Enqueue(t.Context(), delivery.Of(e, e.Body(), "wh_1", 1, time.Now()), 0); err != nil {
		t.Fatal(err)
	}
}

func (p Parts) wantHeld(t *testing.T, w webhook.Webhook, want int64) {
	t.Helper()
	if held, err := p.Stream.Held(t.Context(), w); err != nil || held != want {
		t.Errorf("%d deliveries wait, want %d; %v", held, want, err)
	}
}

var notes = webhook.Webhook{ID: "wh_1", OrganizationID: "acme", Event: webhook.SendNotes}

// reading has a reader of wh_1's queue be there without running.
func reading(rs *readers, s source) *reader {
	r := &reader{readers: rs, source: s, organizationID: "acme", webhookID: "wh_1", wake: backoff.NewSignal()}
	rs.byID = map[string]*reader{"wh_1": r}
	return r
}

// What arrives after a reader saw its queue empty is read: by this reader, or by
// the next one.
func TestAReaderEndsOnlyWhenNothingHasArrived(t *testing.T) {
	t.Parallel()
	l := NewLanes((&database{}).parts(t), 1)
	r := reading(&l.readers, l)
	arrival := stream.Arrival{OrganizationID: "acme", WebhookID: "wh_1"}
	lane, err := l.Stream.OpenLane(t.Context(), "wh_1", 1, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	r.lane = lane
	seen := l.arrivals(r)
	l.Arrived(arrival) // and is taken by another replica
	if ended, err := r.idle(t.Context(), seen); ended || err != nil {
		t.Errorf("ended %t, %v, although something arrived", ended, err)
	}
	if !l.Reads("wh_1") {
		t.Error("the lane is not read although something arrived")
	}
	if ended, err := r.idle(t.Context(), l.arrivals(r)); !ended || err != nil {
		t.Errorf("ended %t, %v, although nothing arrived", ended, err)
	}
	if l.Reads("wh_1") {
		t.Error("a lane is read by a reader that has ended")
	}
}
