package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/services/hooklab/load"
	"github.com/dialnote/webhooks/services/hooklab/receiver"
	"github.com/dialnote/webhooks/services/hooklab/traffic"
)

// ledger holds what was promised, every accepted event for each of its
// webhooks, against what arrived.
type ledger struct {
	receiver *receiver.Receiver
	hooks    []hook
	mix      traffic.Mix // of what is published; the zero mix is a busy team's

	mu   sync.Mutex
	owed []debt
}

// debt is one delivery that is owed.
type debt struct {
	id      string // of the delivery
	eventID string
	hook    hook
}

// newLedger returns the ledger of these webhooks, whose signatures the receiver
// verifies from now on.
func newLedger(r *receiver.Receiver, hooks ...hook) *ledger {
	for _, h := range hooks {
		r.Expect(h.path, h.Secret)
	}
	return &ledger{receiver: r, hooks: hooks}
}

// accept notes an event that was accepted.
func (l *ledger) accept(e event.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range l.hooks {
		if h.Event == e.Type {
			l.owed = append(l.owed, debt{id: delivery.ID(h.ID, e.ID), eventID: e.ID, hook: h})
		}
	}
}

func (l *ledger) debts() []debt {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.owed)
}

// settled waits until everything owed was answered with 2xx, and checks that
// nothing came that could not be verified.
func (l *ledger) settled(t *testing.T) {
	t.Helper()
	open := l.debts()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := l.receiver.Wait(ctx, func() bool {
		for len(open) > 0 && l.receiver.Delivery(open[len(open)-1].id).Accepted > 0 {
			open = open[:len(open)-1]
		}
		return len(open) == 0
	})
	if err != nil {
		t.Fatalf("%d deliveries are missing, the last of them event %s at %s: %v", l.missing(), open[len(open)-1].eventID, open[len(open)-1].hook.path, err)
	}
	if c := l.receiver.Counts(""); c.Refused+c.Unverified > 0 || c.Verified != c.Requests {
		t.Errorf("of %d requests %d verified, %d refused, %d unknown", c.Requests, c.Verified, c.Refused, c.Unverified)
	}
}

func (l *ledger) missing() (n int) {
	for _, d := range l.debts() {
		if l.receiver.Delivery(d.id).Accepted == 0 {
			n++
		}
	}
	return n
}

// duplicates returns how many 2xx answers came after a delivery's first.
func (l *ledger) duplicates() (n int) {
	for _, d := range l.debts() {
		n += max(0, int(l.receiver.Delivery(d.id).Accepted)-1)
	}
	return n
}

// healthy waits until the API shows each webhook as if nothing had happened:
// active, no failures, nothing held.
func (l *ledger) healthy(t *testing.T, c *client) {
	t.Helper()
	for _, h := range l.hooks {
		await(t, "webhook to "+h.path, func() error {
			now := c.hook(t, h.ID)
			if now.Status != "active" || now.FailureCount != 0 || now.HeldEvents != 0 || now.NextAttemptAt != nil || now.LastSentAt == nil {
				return fmt.Errorf("%+v", now)
			}
			return nil
		})
	}
}

// logged waits until every delivery is in the log as delivered and returns how
// many requests the receiver has had more than the log knows of: those whose
// replica was killed before it could record them. The log never knows of more.
func (l *ledger) logged(t *testing.T, db store.Store) (unlogged int) {
	t.Helper()
	debts := l.debts()
	await(t, "the log", func() error {
		unlogged = 0
		for some := range slices.Chunk(debts, 500) {
			n, err := l.compare(t, db, some)
			if err != nil {
				return err
			}
			unlogged += n
		}
		return nil
	})
	return unlogged
}

func (l *ledger) compare(t *testing.T, db store.Store, debts []debt) (unlogged int, err error) {
	t.Helper()
	ids := make([]string, len(debts))
	for i, d := range debts {
		ids[i] = d.id
	}
	progress, err := db.Progress(context.Background(), ids, delivery.TimeRange{})
	if err != nil {
		return 0, err
	}
	for _, d := range debts {
		p, seen := progress[d.id], l.receiver.Delivery(d.id)
		if !p.Delivered {
			return 0, fmt.Errorf("event %s at %s is not logged as delivered", d.eventID, d.hook.path)
		}
		if p.Attempts > int(seen.Requests) {
			t.Fatalf("the log of event %s at %s has %d attempts; %d requests came", d.eventID, d.hook.path, p.Attempts, seen.Requests)
		}
		unlogged += int(seen.Requests) - p.Attempts
	}
	return unlogged, nil
}

// agree holds three accounts of each webhook against each other: what the
// receiver answered, what the log has, and what the counters say.
func (l *ledger) agree(t *testing.T, c *client, db store.Store) {
	t.Helper()
	ids := map[string][]string{}
	for _, d := range l.debts() {
		ids[d.hook.ID] = append(ids[d.hook.ID], d.id)
	}
	for _, h := range l.hooks {
		var said string
		await(t, "the accounts of "+h.path, func() error {
			logged, counted, seen := logged(t, db, ids[h.ID]), c.counted(t, h.ID), int(l.receiver.Counts(h.path).Requests)
			said = fmt.Sprintf("the receiver saw %d requests, the log has %d, the counters %d", seen, logged, counted)
			if counted != logged || logged > seen {
				return errors.New(said)
			}
			return nil
		})
		t.Logf("%s: %s", h.path, said)
	}
}

// logged returns how many requests the log has of some deliveries.
func logged(t *testing.T, db store.Store, deliveryIDs []string) (n int) {
	t.Helper()
	for some := range slices.Chunk(deliveryIDs, 500) {
		progress, err := db.Progress(t.Context(), some, delivery.TimeRange{})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range progress {
			n += p.Attempts
		}
	}
	return n
}

// counted returns how many requests the counters of a webhook have.
func (c *client) counted(t *testing.T, id string) (n int) {
	t.Helper()
	var stats struct {
		Hours []struct{ Delivered, Failed int }
	}
	c.call(t, http.MethodGet, organization+"/webhooks/"+id+"/stats?window=24h", nil, http.StatusOK, &stats)
	for _, hour := range stats.Hours {
		n += hour.Delivered + hour.Failed
	}
	return n
}

// publish publishes made-up events, the even ones through one publisher and the
// odd ones through the other, as each takes them or at a rate. It returns when
// all are accepted.
func (l *ledger) publish(t *testing.T, seed uint64, count int, rate float64, publishers ...load.Publisher) {
	t.Helper()
	events := traffic.New(traffic.Options{Seed: seed, Organization: organization, Mix: l.mix})
	report, err := load.Run(context.Background(), inTurn(publishers), load.Plan{
		Count: count, Rate: rate, Concurrency: 16, Patience: patience,
		Next: events.Next, Accepted: l.accept,
	})
	if err == nil && report.Failed > 0 {
		err = errors.New("not all events were accepted")
	}
	if err != nil {
		t.Errorf("%v: %s", err, report)
		return
	}
	t.Logf("published: %s", report)
}

// inTurn publishes through each of some publishers; an event that is tried
// again goes through the same one.
type inTurn []load.Publisher

// Publish implements load.Publisher.
func (p inTurn) Publish(ctx context.Context, e event.Event) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return p[int(e.ID[len(e.ID)-1])%len(p)].Publish(ctx, e)
}

// allTypes makes a webhook for each type of event, and a second one for calls.
func allTypes(t *testing.T, c *client, receiverURL string) []hook {
	t.Helper()
	return []hook{
		c.create(t, receiverURL, "/ok/calls", event.CallCompleted),
		c.create(t, receiverURL, "/delay/5ms/crm", event.CallCompleted),
		c.create(t, receiverURL, "/ok/recordings", event.RecordingCompleted),
		c.create(t, receiverURL, "/ok/notes", event.NoteCreated),
	}
}

// reached waits until this many requests have come in all.
func (l *ledger) reached(t *testing.T, n uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := l.receiver.WaitCount(ctx, "", n); err != nil {
		t.Fatal(err)
	}
}
