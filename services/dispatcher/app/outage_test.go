package app_test

import (
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/pgtest"
	"github.com/dialnote/webhooks/pkg/store/storetest"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// A receiver is away and comes back: the promises of sections 5.1 to 5.3, on
// both databases.
func TestAnOutageHoldsTheWebhookAndLosesNothing(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		outage(t, newSystem(t))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		outage(t, newSystemOn(t, pgtest.Schema(t)))
	})
}

func outage(t *testing.T, s *system) {
	t.Helper()
	steps := []int{300, 600, 900}
	cfg := config(steps...)
	cfg.WebhookMaxInFlight = 1 // so that the order is strict
	s.run(t, cfg)
	bad := newReceiver(t, first(3, status(http.StatusServiceUnavailable)))
	w := s.webhook(t, "acme", bad.url)
	ids := names("outage", 10)

	s.publish(t, "acme", ids[0])
	h := s.awaitHealth(t, w, "the first failure is counted", func(h webhook.Health) bool { return h.FailureCount >= 1 })
	if !h.OnHold() || h.LastError == nil || h.LastError.StatusCode != http.StatusServiceUnavailable || h.LastError.Reason != string(delivery.ReasonServerError) {
		t.Errorf("after the failure the health is %+v", h)
	}
	for _, id := range ids[1:] {
		s.publish(t, "acme", id)
		await(t, id+" is known", func() bool { return s.known(t, w, id) })
	}
	s.awaitStatus(t, w, delivery.StatusDelivered, ids...)

	hits := bad.all()
	if got, want := bad.ids(), append([]string{ids[0], ids[0], ids[0]}, ids...); !slices.Equal(got, want) {
		t.Errorf("the receiver saw %v,\nwant %v", got, want)
	}
	wantOneAtATime(t, hits)
	wantNumbers(t, s, w, ids[0], 1, 2, 3, 4)
	wantSchedule(t, s, w, ids[0], hits[:4], steps...)
	wantNumbers(t, s, w, ids[9], 1)
	h = s.get(t, w).Health
	if h.FailureCount != 0 || h.OnHold() || h.LastSentAt.IsZero() || h.LastError == nil {
		t.Errorf("at the end the health is %+v", h)
	}
	s.awaitHeld(t, w, 0)
}

// known reports whether an event's delivery is in the log, waiting or done.
func (s *system) known(t *testing.T, w webhook.Webhook, eventID string) bool {
	t.Helper()
	all, err := s.store.Attempts(t.Context(), w.OrganizationID, w.ID, delivery.ID(w.ID, eventID))
	return err == nil && len(all) > 0
}

// wantSchedule checks that an event's attempts were planned by the steps, in
// milliseconds and ±10 %, and that none was made before its time; hits are their
// requests.
func wantSchedule(t *testing.T, s *system, w webhook.Webhook, eventID string, hits []hit, steps ...int) {
	t.Helper()
	const early = 2 * time.Millisecond // the two clocks are read one after the other
	made := s.attempts(t, w, eventID)
	if len(made) != len(steps)+1 || len(hits) != len(made) {
		t.Fatalf("%d attempts and %d requests, want %d", len(made), len(hits), len(steps)+1)
	}
	for i, ms := range steps {
		step := time.Duration(ms) * time.Millisecond
		planned := made[i].NextAt
		if pause := planned.Sub(made[i].EndedAt); pause < step*9/10-time.Millisecond || pause > step*11/10+time.Millisecond {
			t.Errorf("attempt %d was planned %s after the one before, want %s ± 10 %%", i+2, pause, step)
		}
		if off := hits[i+1].begin.Sub(planned); off < -early {
			t.Errorf("attempt %d came %s before its time", i+2, -off)
		}
	}
	if last := made[len(steps)]; !last.NextAt.IsZero() {
		t.Errorf("after the last attempt another one is planned at %s", last.NextAt)
	}
}

// wantPause checks that a pause is not shorter than its step less 10 % of jitter.
// A busy machine may make it longer.
func wantPause(t *testing.T, what string, got, step time.Duration) {
	t.Helper()
	if got < step*9/10-time.Millisecond {
		t.Errorf("the pause %s was %s, want %s", what, got, step)
	}
}

func wantOneAtATime(t *testing.T, hits []hit) {
	t.Helper()
	for i := 1; i < len(hits); i++ {
		if hits[i].begin.Before(hits[i-1].end) {
			t.Errorf("request %d began before request %d had ended", i+1, i)
		}
	}
}

func wantNumbers(t *testing.T, s *system, w webhook.Webhook, eventID string, want ...int) {
	t.Helper()
	var got []int
	for _, a := range s.attempts(t, w, eventID) {
		got = append(got, a.Number)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s has the attempts %v, want %v", eventID, got, want)
	}
}

func TestThreeFailuresDisableAndEnableDeliversWhatWasHeld(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	cfg := config(100, 100, 100, 100, 100)
	cfg.Policy.AutoDisableAfter = 3
	cfg.WebhookMaxInFlight = 1
	s.run(t, cfg)
	dead := newReceiver(t, die)
	w := s.webhook(t, "acme", dead.url)
	ids := names("disabled", 7)

	s.publish(t, "acme", ids[0])
	h := s.awaitHealth(t, w, "the webhook is disabled", func(h webhook.Health) bool { return h.AutoDisabled != "" })
	if h.AutoDisabled != webhook.DisabledForFailures || h.FailureCount != 3 || h.OnHold() || h.LastError.Reason != string(delivery.ReasonReset) {
		t.Errorf("the health is %+v", h)
	}
	s.enlane(t, w, ids[1:]...)
	s.awaitHeld(t, w, int64(len(ids)))
	if n := len(dead.all()); n != 3 {
		t.Errorf("%d requests were made, want 3", n)
	}

	dead.answer(nil)
	s.update(t, w, func(w *webhook.Webhook) { w.Health = w.Health.Enable(time.Now()) })
	s.awaitStatus(t, w, delivery.StatusDelivered, ids...)
	if got, want := dead.ids(), append([]string{ids[0], ids[0], ids[0]}, ids...); !slices.Equal(got, want) {
		t.Errorf("the receiver saw %v,\nwant %v", got, want)
	}
	s.awaitHeld(t, w, 0)
}

// Fifty requests in flight to an endpoint that dies are one outage.
func TestOneOutageIsOneFailure(t *testing.T) {
	t.Parallel()
	const n = 50
	s := newSystem(t)
	cfg := config(never)
	cfg.MaxInFlight, cfg.WebhookMaxInFlight = 1024, 64
	s.run(t, cfg)
	var inside sync.WaitGroup
	inside.Add(n)
	dead := newReceiver(t, func(w http.ResponseWriter, r *http.Request) {
		inside.Done()
		inside.Wait()
		die(w, r)
	})
	w := s.webhook(t, "acme", dead.url)
	ids := names("fifty", n)
	s.publish(t, "acme", ids...)
	s.awaitStatus(t, w, delivery.StatusRetrying, ids...)
	if h := s.get(t, w).Health; h.FailureCount != 1 || !h.OnHold() || h.AutoDisabled != "" {
		t.Errorf("fifty failures at once left %+v", h)
	}
	s.awaitHeld(t, w, n)
	if got := len(dead.all()); got != n {
		t.Errorf("%d requests were made, want %d", got, n)
	}
}

// A receiver refuses one event's payload. Only that event waits for a retry.
func TestARefusedEventDoesNotDelayOthers(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.run(t, config(never))
	r := newReceiver(t, refuse("evt_refused"))
	w := s.webhook(t, "acme", r.url)
	s.publish(t, "acme", "evt_refused")
	s.awaitStatus(t, w, delivery.StatusRetrying, "evt_refused")
	ids := names("accepted", 10)
	s.publish(t, "acme", ids...)
	s.awaitStatus(t, w, delivery.StatusDelivered, ids...)
	wantNumbers(t, s, w, "evt_refused", 1)
	s.awaitHeld(t, w, 1)
}

// A receiver refuses one event's payload at each attempt, and accepts another event
// meanwhile. The refused event is given up after its last attempt, and its webhook
// is neither put on hold nor disabled.
func TestARefusedEventIsRetriedAndGivenUp(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	steps := []int{100, 150, 200, 250, 300}
	cfg := config(steps...)
	cfg.Policy.AutoDisableAfter = 3
	s.run(t, cfg)
	begun, answer := make(chan struct{}), make(chan struct{})
	r := newReceiver(t, func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("webhook-id") == "evt_refused" {
			begun <- struct{}{}
			<-answer
		}
		refuse("evt_refused")(w, req)
	})
	w := s.webhook(t, "acme", r.url)
	s.publish(t, "acme", "evt_refused")
	for _, id := range names("accepted", len(steps)+1) {
		<-begun
		s.publish(t, "acme", id)
		s.awaitStatus(t, w, delivery.StatusDelivered, id)
		answer <- struct{}{}
	}
	s.awaitStatus(t, w, delivery.StatusFailed, "evt_refused")
	wantNumbers(t, s, w, "evt_refused", 1, 2, 3, 4, 5, 6)
	wantSchedule(t, s, w, "evt_refused", r.of("evt_refused"), steps...)
	if got := s.get(t, w); got.Status() != webhook.StatusActive || got.Health.OnHold() {
		t.Errorf("the webhook is %s with %+v", got.Status(), got.Health)
	}
	s.awaitHeld(t, w, 0)
}

func TestGoneDisablesACustomWebhookAtOnce(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.run(t, config(100))
	left := newReceiver(t, status(http.StatusGone))
	w := s.webhook(t, "acme", left.url)
	s.publish(t, "acme", "evt_gone")
	h := s.awaitHealth(t, w, "the webhook is disabled", func(h webhook.Health) bool { return h.AutoDisabled != "" })
	if h.AutoDisabled != webhook.DisabledAsGone {
		t.Errorf("the health is %+v", h)
	}
	s.awaitHeld(t, w, 1) // also what was refused: its owner may enable the webhook
	s.enlane(t, w, "evt_later")
	if n := len(left.all()); n != 1 {
		t.Errorf("%d requests were made, want 1", n)
	}
}

func TestGoneRemovesAZapierWebhookWithItsLane(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.run(t, config(never))
	zap := newReceiver(t, status(http.StatusServiceUnavailable))
	zapier := storetest.Webhook("acme")
	zapier.Provider, zapier.URL = webhook.Zapier, zap.url
	zapier = s.create(t, zapier)
	other := s.webhook(t, "acme", newReceiver(t, nil).url)

	s.publish(t, "acme", "evt_1")
	s.awaitHealth(t, zapier, "the webhook is on hold", webhook.Health.OnHold)
	s.awaitHeld(t, zapier, 1)
	s.enlane(t, zapier, "evt_2", "evt_3")
	zap.answer(status(http.StatusGone))
	s.update(t, zapier, func(w *webhook.Webhook) { w.Health.HoldUntil = time.Now() })
	await(t, "the webhook is removed", func() bool { return !s.exists(t, zapier) })
	s.awaitHeld(t, zapier, 0)
	s.publish(t, "acme", "evt_4")
	s.awaitStatus(t, other, delivery.StatusDelivered, "evt_1", "evt_2", "evt_3", "evt_4")
	if got := len(zap.all()); got != 2 {
		t.Errorf("the Zap got %d requests, want the first and the probe", got)
	}
}

func TestRetryAfterLengthensTheHold(t *testing.T) {
	t.Parallel()
	const asked = 2 * time.Second
	s := newSystem(t)
	s.run(t, config(100, 100))
	busy := newReceiver(t, first(1, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "2")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	w := s.webhook(t, "acme", busy.url)
	s.publish(t, "acme", "evt_1")
	h := s.awaitHealth(t, w, "the failure is counted", func(h webhook.Health) bool { return h.FailureCount == 1 })
	if pause := h.HoldUntil.Sub(h.LastError.At); pause < asked-time.Millisecond || pause > asked+time.Millisecond {
		t.Errorf("the hold is %s, want %s", pause, asked)
	}
	s.awaitStatus(t, w, delivery.StatusDelivered, "evt_1")
	hits := busy.all()
	if pause := hits[1].begin.Sub(hits[0].end); pause < asked-10*time.Millisecond {
		t.Errorf("the next request came after %s", pause)
	}
}

// An endpoint answers every request with an error while hundreds are on their
// way to it: that is one outage, and nothing is sent once it is known.
func TestAnOutageUnderABurstCountsOnce(t *testing.T) {
	t.Parallel()
	const n = 500
	s := newSystem(t)
	cfg := config(never)
	cfg.Policy.AutoDisableAfter = 3
	s.run(t, cfg)
	bad := newReceiver(t, status(http.StatusServiceUnavailable))
	w := s.webhook(t, "acme", bad.url)
	s.publish(t, "acme", names("burst", n)...)
	s.awaitHeld(t, w, n)
	if h := s.get(t, w).Health; h.FailureCount != 1 || h.AutoDisabled != webhook.NotAutoDisabled {
		t.Errorf("after one outage the health is %+v", h)
	}
	if got := len(bad.all()); got > cfg.WebhookMaxInFlight {
		t.Errorf("%d requests were made, more than %d at once", got, cfg.WebhookMaxInFlight)
	}
}
