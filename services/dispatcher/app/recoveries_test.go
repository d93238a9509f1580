package app_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/store/storetest"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// recover starts a recovery of everything until now.
func (s *system) recover(t *testing.T, w webhook.Webhook, change func(*delivery.Recovery)) delivery.Recovery {
	t.Helper()
	r := storetest.Recovery(w)
	r.Until = time.Now().Add(time.Second).UTC().Truncate(time.Microsecond) // this clock and the server's may differ
	if change != nil {
		change(&r)
	}
	if err := s.store.CreateRecovery(t.Context(), storetest.By(), r); err != nil {
		t.Fatal(err)
	}
	return r
}

func (s *system) recovery(t *testing.T, r delivery.Recovery) delivery.Recovery {
	t.Helper()
	got, err := s.store.GetRecovery(t.Context(), r.OrganizationID, r.WebhookID, r.ID)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func (s *system) awaitEnd(t *testing.T, r delivery.Recovery) delivery.Recovery {
	t.Helper()
	var got delivery.Recovery
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the recovery came as far as %+v", got)
		}
	})
	await(t, "the recovery ends", func() bool {
		got = s.recovery(t, r)
		return got.Status != delivery.RecoveryRunning
	})
	return got
}

// settle returns when the dispatchers are done with all that was published.
func (s *system) settle(t *testing.T) {
	t.Helper()
	for _, organization := range []string{"acme", "globex"} {
		last, err := s.conn.Latest(t.Context(), organization, event.CallCompleted, 1)
		if err != nil {
			t.Fatal(err)
		}
		if len(last) == 0 {
			continue
		}
		await(t, "the dispatchers are done with the events of "+organization, func() bool {
			handled, err := s.conn.Handled(t.Context(), webhook.Webhook{OrganizationID: organization})
			if err != nil {
				t.Fatal(err)
			}
			return handled >= last[0].Sequence
		})
	}
}

// tell returns when every replica knows of a webhook.
func (s *system) tell(t *testing.T, w webhook.Webhook) {
	t.Helper()
	fleet, err := s.conn.WatchFleet()
	if err != nil {
		t.Fatal(err)
	}
	defer fleet.Close()
	if err := fleet.Announce(t.Context(), stream.Change{OrganizationID: w.OrganizationID, WebhookID: w.ID}); err != nil {
		t.Fatal(err)
	}
}

func TestARecoveryDeliversWhatWasMissed(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.run(t, config(never))
	r := newReceiver(t, func(w http.ResponseWriter, req *http.Request) {
		if id := req.Header.Get("webhook-id"); id == "evt_failed" {
			w.WriteHeader(http.StatusUnprocessableEntity)
		}
	})
	// Three happen before there is a webhook, or while it sends something else.
	s.publish(t, "acme", names("never", 3)...)
	s.publish(t, "globex", names("foreign", 3)...)
	s.settle(t)
	w := s.webhook(t, "acme", r.url)
	s.tell(t, w)
	s.publish(t, "acme", "evt_delivered", "evt_failed")
	s.awaitStatus(t, w, delivery.StatusDelivered, "evt_delivered")
	s.awaitStatus(t, w, delivery.StatusRetrying, "evt_failed")
	retrying := s.recover(t, w, func(r *delivery.Recovery) { r.DryRun = true })
	if got := s.awaitEnd(t, retrying); got.Queued != 3 || got.Examined != 5 || got.Total != 5 || got.Status != delivery.RecoveryDone {
		t.Errorf("while one is retried: %+v", got)
	}
	// The last failure, and one that was not sent.
	skipped := storetest.Succeeded(w, time.Now(), 0)
	s.publish(t, "acme", "evt_skipped")
	s.awaitStatus(t, w, delivery.StatusDelivered, "evt_skipped")
	for id, outcome := range map[string]delivery.Outcome{
		"evt_failed":  {Result: delivery.Failed, Reason: delivery.ReasonClientError, Message: "No."},
		"evt_skipped": {Result: delivery.Skipped, Message: "No."},
	} {
		a := skipped
		a.ID, a.Outcome, a.Number = a.ID+id, outcome, 9
		if outcome.Result == delivery.Skipped {
			a.Number = 0
		}
		a.StartedAt, a.EndedAt = time.Now(), time.Now()
		s.record(t, w, id, a)
	}
	r.answer(nil)
	before := len(r.all())
	dry := s.awaitEnd(t, s.recover(t, w, func(r *delivery.Recovery) { r.DryRun = true }))
	if dry.Queued != 5 || dry.Examined != 6 {
		t.Errorf("a dry run: %+v", dry)
	}
	if n := len(r.all()) - before; n != 0 {
		t.Errorf("a dry run sent %d", n)
	}
	done := s.awaitEnd(t, s.recover(t, w, nil))
	if done.Queued != 5 || done.Examined != 6 || done.Status != delivery.RecoveryDone || done.EndedAt.IsZero() {
		t.Errorf("the recovery: %+v", done)
	}
	missed := append(names("never", 3), "evt_failed", "evt_skipped")
	await(t, "all that was missed is delivered", func() bool { return len(r.all())-before == len(missed) })
	s.awaitStatus(t, w, delivery.StatusDelivered, missed...)
	s.awaitHeld(t, w, 1) // the retry that was scheduled before the last failure
	counts := r.counts()
	for _, id := range append(missed, "evt_delivered") {
		want := 1
		if id == "evt_failed" || id == "evt_skipped" {
			want = 2 // the first one was before the recovery
		}
		if counts[id] != want {
			t.Errorf("%s came %d times, want %d", id, counts[id], want)
		}
	}
	again := s.awaitEnd(t, s.recover(t, w, nil))
	if again.Queued != 0 || again.Examined != 6 {
		t.Errorf("a second recovery: %+v", again)
	}
}

func TestARecoveryKeepsToItsTime(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.run(t, config(never))
	s.publish(t, "acme", names("call", 9)...)
	s.settle(t)
	var at []time.Time
	for i := range 9 {
		m, err := s.conn.Event(t.Context(), uint64(i+1))
		if err != nil {
			t.Fatal(err)
		}
		at = append(at, m.Stored.Truncate(time.Microsecond))
	}
	if !at[5].After(at[4]) || !at[3].After(at[2]) {
		t.Fatal("two events were stored in the same microsecond, though each publishing waits")
	}
	r := newReceiver(t, nil)
	w := s.webhook(t, "acme", r.url)
	done := s.awaitEnd(t, s.recover(t, w, func(r *delivery.Recovery) { r.Since, r.Until = at[3], at[5] }))
	if done.Queued != 2 || done.Examined != 2 || done.Total != 2 {
		t.Errorf("the recovery: %+v", done)
	}
	s.awaitStatus(t, w, delivery.StatusDelivered, names("call", 9)[3:5]...)
	if n := len(r.all()); n != 2 {
		t.Errorf("%d were sent", n)
	}
}

func TestARecoveryWaitsForWhatIsOnItsWay(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.run(t, config(never))
	s.publish(t, "acme", "evt_missed")
	s.settle(t)
	began, end := make(chan struct{}, 10), make(chan struct{})
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		began <- struct{}{}
		<-end
	})
	w := s.webhook(t, "acme", r.url)
	s.tell(t, w)
	s.publish(t, "acme", "evt_slow")
	<-began
	job := s.recover(t, w, nil)
	await(t, "the recovery comes to it", func() bool { return s.recovery(t, job).Examined == 1 })
	other := s.awaitEnd(t, s.recover(t, s.webhook(t, "globex", r.url), nil)) // and others go on
	if got := s.recovery(t, job); got.Status != delivery.RecoveryRunning || got.Examined != 1 || other.Status != delivery.RecoveryDone {
		t.Errorf("with one on its way: %+v; another's: %+v", got, other)
	}
	close(end)
	if got := s.awaitEnd(t, job); got.Queued != 1 || got.Examined != 2 {
		t.Errorf("the recovery: %+v", got)
	}
	s.awaitStatus(t, w, delivery.StatusDelivered, "evt_missed", "evt_slow")
	if counts := r.counts(); counts["evt_slow"] != 1 || counts["evt_missed"] != 1 {
		t.Errorf("they came %v times", counts)
	}
}

func TestARecoveryEndsWhenItsWebhookChanges(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.publish(t, "acme", names("never", 3)...)
	w, gone, off := s.webhook(t, "acme", "http://127.0.0.1:1"), s.webhook(t, "acme", "http://127.0.0.1:1"), s.webhook(t, "acme", "http://127.0.0.1:1")
	jobs := []delivery.Recovery{s.recover(t, w, nil), s.recover(t, off, nil)}
	s.recover(t, gone, nil)
	s.update(t, w, func(w *webhook.Webhook) { w.Event = webhook.SendNotes })
	s.update(t, off, func(w *webhook.Webhook) { w.Event = webhook.Disabled })
	if _, err := s.store.Delete(t.Context(), storetest.By(), "acme", gone.ID, 0); err != nil {
		t.Fatal(err)
	}
	s.run(t, config(never))
	for i, want := range []string{"The webhook's event was changed.", "The webhook was disabled."} {
		if got := s.awaitEnd(t, jobs[i]); got.Status != delivery.RecoveryFailed || got.Message != want || got.Queued != 0 {
			t.Errorf("%+v, want %q", got, want)
		}
	}
}

func TestARecoveryOfAWebhookThatIsDisabledWaitsInItsLane(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.run(t, config(never))
	s.publish(t, "acme", names("never", 5)...)
	s.settle(t)
	r := newReceiver(t, nil)
	w := s.webhook(t, "acme", r.url)
	s.update(t, w, func(w *webhook.Webhook) { w.Health.AutoDisabled = webhook.DisabledForFailures })
	if got := s.awaitEnd(t, s.recover(t, w, nil)); got.Queued != 5 {
		t.Errorf("the recovery: %+v", got)
	}
	s.awaitHeld(t, w, 5)
	if again := s.awaitEnd(t, s.recover(t, w, nil)); again.Queued != 0 { // they are on their way
		t.Errorf("again: %+v", again)
	}
	if n := len(r.all()); n != 0 {
		t.Errorf("%d were sent to a disabled webhook", n)
	}
	s.update(t, w, func(w *webhook.Webhook) { w.Health = w.Health.Enable(time.Now()) })
	s.awaitStatus(t, w, delivery.StatusDelivered, names("never", 5)...)
}

func TestACancelledRecoveryQueuesNothingMore(t *testing.T) {
	t.Parallel()
	const n = 1000
	s := newSystem(t)
	s.run(t, config(never))
	if err := flood(t, s.conn, "acme", n); err != nil {
		t.Fatal(err)
	}
	s.settle(t)
	w := s.webhook(t, "acme", "http://127.0.0.1:1")
	s.update(t, w, func(w *webhook.Webhook) { w.Health.AutoDisabled = webhook.DisabledForFailures }) // so that all of it stays in the lane
	queued, goOn := s.store.stopAtBatch(2)
	job := s.recover(t, w, nil)
	<-queued
	if err := s.store.CancelRecovery(t.Context(), storetest.By(), "acme", w.ID, job.ID, time.Now()); err != nil {
		t.Fatal(err)
	}
	cancelled := s.recovery(t, job)
	close(goOn)
	// When it has turned to another job, it is done with this one.
	s.awaitEnd(t, s.recover(t, s.webhook(t, "globex", "http://127.0.0.1:1"), nil))
	const batch = 128
	held := s.held(t, w)
	if cancelled.Status != delivery.RecoveryCancelled || held <= cancelled.Queued || held > cancelled.Queued+batch {
		t.Errorf("%d were queued of %+v", held, cancelled)
	}
	if got := s.recovery(t, job); got != cancelled {
		t.Errorf("it went on: %+v, was %+v", got, cancelled)
	}
}

// It works hard, and is not parallel so that it does not slow the others down.
func TestARecoveryOfManyOutlivesTheReplicaThatWorksOnIt(t *testing.T) {
	const n = 2_000
	s := newSystem(t)
	first := s.run(t, config(never))
	if err := flood(t, s.conn, "acme", n); err != nil {
		t.Fatal(err)
	}
	s.settle(t)
	r := newReceiver(t, nil)
	w := s.webhook(t, "acme", r.url)
	queued, _ := s.store.stopAtBatch(3)
	job := s.recover(t, w, nil)
	<-queued
	s.run(t, config(never))
	first.kill()
	if got := s.recovery(t, job); got.Status != delivery.RecoveryRunning {
		t.Fatalf("the recovery ended with the replica: %+v", got)
	}
	done := s.awaitEnd(t, job)
	if done.Status != delivery.RecoveryDone || done.Examined != n || done.Total != n {
		t.Errorf("the recovery: %+v", done)
	}
	// At most a batch was queued and not counted.
	if done.Queued < n-128 || done.Queued > n {
		t.Errorf("%d were queued, want %d", done.Queued, n)
	}
	awaitCount(t, "events are delivered", n, func() int { return len(r.counts()) })
	s.awaitHeld(t, w, 0)
	// Twice comes only what the dead replica had in flight.
	if twice := len(r.all()) - n; twice > 2*32 {
		t.Errorf("%d came twice", twice)
	}
	if got := s.awaitEnd(t, s.recover(t, w, nil)); got.Queued != 0 {
		t.Errorf("a second recovery found %d", got.Queued)
	}
	for i := range 3 {
		wantNumbers(t, s, w, fmt.Sprintf("evt_flood_%d", i*n/3), 1)
	}
}

// flood publishes n events of an organization.
func flood(t *testing.T, c *stream.Conn, organizationID string, n int) error {
	t.Helper()
	for i := range n {
		e := event.Sample(event.CallCompleted, organizationID, fmt.Sprintf("evt_flood_%d", i), time.Now())
		if err := c.Publish(t.Context(), e); err != nil {
			return err
		}
	}
	return nil
}
