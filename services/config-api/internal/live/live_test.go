package live_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/config-api/internal/live"
	"github.com/dialnote/webhooks/services/config-api/internal/manage"
)

// world is what a hub hears from and reads.
type world struct {
	mu       sync.Mutex
	hearers  map[string]map[int]func(stream.Activity)
	watched  int // how often watching began
	missed   func()
	webhooks map[string]map[string]manage.View // by organization
	counted  []string
	reads    int
	away     error
}

func newWorld() *world {
	return &world{hearers: map[string]map[int]func(stream.Activity){}, webhooks: map[string]map[string]manage.View{}}
}

func (w *world) WatchActivity(_ context.Context, org string, hear func(stream.Activity)) (func(), error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.away != nil {
		return nil, w.away
	}
	w.watched++
	n := w.watched
	if w.hearers[org] == nil {
		w.hearers[org] = map[int]func(stream.Activity){}
	}
	w.hearers[org][n] = hear
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if delete(w.hearers[org], n); len(w.hearers[org]) == 0 {
			delete(w.hearers, org)
		}
	}, nil
}

func (w *world) Gaps(ctx context.Context, missed func()) error {
	w.mu.Lock()
	w.missed = missed
	w.mu.Unlock()
	<-ctx.Done()
	return nil
}

func (w *world) Snapshot(_ context.Context, org string, count func(webhook.Webhook) bool) (map[string]manage.View, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reads++
	if w.away != nil {
		return nil, w.away
	}
	views := maps.Clone(w.webhooks[org])
	for id, v := range views {
		if count(v.Webhook) {
			w.counted = append(w.counted, id)
			continue
		}
		v.Held = nil
		views[id] = v
	}
	return views, nil
}

// set changes a webhook, or makes it.
func (w *world) set(org, id string, change func(*manage.View)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v, there := w.webhooks[org][id]
	if !there {
		none := int64(0)
		v = manage.View{Webhook: webhook.Webhook{ID: id, OrganizationID: org, Event: webhook.SendNotes, Version: 1}, Held: &none}
	}
	if change != nil {
		change(&v)
	}
	if w.webhooks[org] == nil {
		w.webhooks[org] = map[string]manage.View{}
	}
	w.webhooks[org][id] = v
}

func (w *world) remove(org, id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.webhooks[org], id)
}

func (w *world) setAway(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.away = err
}

func (w *world) tell(org string, a stream.Activity) {
	w.mu.Lock()
	hearers := maps.Clone(w.hearers[org])
	w.mu.Unlock()
	for _, hear := range hearers {
		hear(a)
	}
}

func (w *world) watching() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.hearers)
}

func limits() live.Limits {
	l := live.DefaultLimits()
	l.Listeners, l.Organization, l.Buffer, l.Deliveries = 4, 2, 8, 5
	return l
}

// start runs a hub until the test's bubble ends.
func start(t *testing.T, w *world) (h *live.Hub, stop func()) {
	t.Helper()
	h, err := live.New(live.Options{
		Source: w, Webhooks: w, Limits: limits(), Registry: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	return h, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// listen returns a listener that has received its first event.
func listen(t *testing.T, h *live.Hub, org string) *live.Listener {
	t.Helper()
	l, err := h.Listen(t.Context(), org)
	if err != nil {
		t.Fatal(err)
	}
	if e := <-l.Events(); e.Resync != live.Connected {
		t.Fatalf("the first event is %+v", e)
	}
	return l
}

// told returns a listener's events until nothing more happens: the changes of each
// webhook, the ids of deliveries, the reasons of resyncs.
func told(l *live.Listener) (all []string) {
	synctest.Wait()
	for {
		select {
		case e, more := <-l.Events():
			switch {
			case !more:
				return append(all, "end")
			case e.Delivery != nil:
				all = append(all, "delivery "+e.Delivery.DeliveryID)
			case e.Webhook != nil:
				all = append(all, fmt.Sprint(e.Webhook.ID, " ", e.Webhook.Changes))
			default:
				all = append(all, "resync "+string(e.Resync))
			}
		default:
			return all
		}
	}
}

func want(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
		t.Errorf("%s: told %q, want %q", what, got, want)
	}
}

func attempts(webhookID string, ids ...string) stream.Activity {
	var a stream.Activity
	for _, id := range ids {
		a.Attempts = append(a.Attempts, stream.RecordedAttempt{WebhookID: webhookID, DeliveryID: id, Status: delivery.StatusDelivered, Number: 1})
	}
	return a
}

func changed(id string) stream.Activity { return stream.Activity{Webhooks: []string{id}} }

// later waits until whatever was begun is over: a round, and the second look.
func later() {
	time.Sleep(5 * time.Second) //nolint:forbidigo // the bubble's own clock: pacing is what is tested
	synctest.Wait()
}

func TestEveryChangeOfAWebhookIsSent(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	three := int64(3)
	for name, c := range map[string]struct {
		before, after func(*manage.View)
		want          []string
	}{
		"nothing":          {nil, func(*manage.View) {}, nil},
		"name":             {nil, func(v *manage.View) { v.Name = "x"; v.Version++ }, []string{"wh_1 [updated]"}},
		"url":              {nil, func(v *manage.View) { v.URL = "https://x"; v.Version++ }, []string{"wh_1 [updated]"}},
		"event":            {nil, func(v *manage.View) { v.Event = webhook.Disabled; v.Version++ }, []string{"wh_1 [updated]"}},
		"only its version": {nil, func(v *manage.View) { v.Version++ }, []string{"wh_1 [updated]"}},
		"last sent":        {nil, func(v *manage.View) { v.Health.LastSentAt = at }, []string{"wh_1 [counts]"}},
		"held":             {nil, func(v *manage.View) { v.Held = &three }, []string{"wh_1 [counts]"}},
		"first failure": {nil, func(v *manage.View) {
			v.Health = webhook.Health{FailureCount: 1, HoldUntil: at, LastError: &webhook.Failure{At: at}}
		}, []string{"wh_1 [hold_begun counts]"}},
		"longer hold": {func(v *manage.View) { v.Health.HoldUntil = at }, func(v *manage.View) {
			v.Health.HoldUntil = at.Add(time.Second)
		}, []string{"wh_1 [hold_changed]"}},
		"third failure": {func(v *manage.View) { v.Health = webhook.Health{FailureCount: 2, HoldUntil: at} }, func(v *manage.View) {
			v.Health = webhook.Health{FailureCount: 3, AutoDisabled: webhook.DisabledForFailures}
			v.Version++
		}, []string{"wh_1 [auto_disabled hold_ended counts]"}},
		"enabled": {func(v *manage.View) { v.Health = webhook.Health{FailureCount: 3, AutoDisabled: webhook.DisabledAsGone} }, func(v *manage.View) {
			v.Health = v.Health.Enable(at)
			v.Version++
		}, []string{"wh_1 [enabled counts]"}},
		"another error alike": {func(v *manage.View) { v.Health.LastError = &webhook.Failure{At: at} }, func(v *manage.View) {
			v.Health.LastError = &webhook.Failure{At: at}
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.set("acme", "wh_1", c.before)
				h, stop := start(t, w)
				defer stop()
				l := listen(t, h, "acme")
				defer l.Close()
				w.tell("acme", changed("wh_1")) // from here on its held events are known
				later()
				told(l)
				w.set("acme", "wh_1", c.after)
				w.tell("acme", changed("wh_1"))
				later()
				want(t, name, told(l), c.want...)
			})
		})
	}
}

func TestWebhooksComeAndGo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.set("acme", "wh_1", nil)
		h, stop := start(t, w)
		defer stop()
		l := listen(t, h, "acme")
		defer l.Close()
		w.set("acme", "wh_2", nil)
		w.tell("acme", changed("wh_2"))
		want(t, "creation", told(l), "wh_2 [created]")
		later()
		w.remove("acme", "wh_1")
		w.tell("acme", changed("wh_1"))
		want(t, "deletion", told(l), "wh_1 [deleted]")
	})
}

func TestTheFirstIsSentAtOnceAndWhatFollowsTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.set("acme", "wh_1", nil)
		h, stop := start(t, w)
		defer stop()
		l := listen(t, h, "acme")
		defer l.Close()
		w.set("acme", "wh_1", func(v *manage.View) { v.Health.FailureCount = 1 })
		w.tell("acme", attempts("wh_1", "a", "b"))
		want(t, "first", told(l), "delivery a", "delivery b", "wh_1 [counts]")
		for _, id := range []string{"c", "d", "e"} {
			w.set("acme", "wh_1", func(v *manage.View) { v.Health.FailureCount++ })
			w.tell("acme", attempts("wh_1", id))
		}
		want(t, "at once after it", told(l))
		time.Sleep(limits().Pace) //nolint:forbidigo // the bubble's own clock
		want(t, "a pace later", told(l), "delivery c", "delivery d", "delivery e", "wh_1 [counts]")

		// The lane is emptied after the outcome was recorded, which no message reports.
		later()
		three, two := int64(3), int64(2)
		w.set("acme", "wh_1", func(v *manage.View) { v.Held = &three })
		w.tell("acme", attempts("wh_1", "f"))
		want(t, "recorded", told(l), "delivery f", "wh_1 [counts]")
		w.set("acme", "wh_1", func(v *manage.View) { v.Held = &two })
		later()
		want(t, "looked at again", told(l), "wh_1 [counts]")
		w.mu.Lock()
		reads := w.reads
		w.mu.Unlock()
		later()
		if w.reads != reads {
			t.Error("the database is read although nothing happens")
		}
	})
}

func TestHeldEventsAreCountedOnlyWhereSomethingHappened(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		for _, id := range []string{"wh_1", "wh_2", "wh_3"} {
			w.set("acme", id, nil)
		}
		h, stop := start(t, w)
		defer stop()
		l := listen(t, h, "acme")
		defer l.Close()
		w.set("acme", "wh_2", func(v *manage.View) { v.Name = "not announced yet" })
		w.tell("acme", attempts("wh_1", "a"))
		synctest.Wait()
		w.mu.Lock()
		defer w.mu.Unlock()
		got := map[string]bool{}
		for _, id := range w.counted {
			got[id] = true
		}
		if !reflect.DeepEqual(got, map[string]bool{"wh_1": true, "wh_2": true}) {
			t.Errorf("counted %v", got)
		}
	})
}

func TestOneOrganizationHearsNothingOfAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.set("acme", "wh_1", nil)
		w.set("other", "wh_2", nil)
		h, stop := start(t, w)
		defer stop()
		acme, too, other := listen(t, h, "acme"), listen(t, h, "acme"), listen(t, h, "other")
		if w.watched != 2 {
			t.Errorf("watching %d times for two organizations", w.watched)
		}
		w.tell("acme", attempts("wh_1", "a"))
		later()
		w.set("other", "wh_2", func(v *manage.View) { v.Name = "x" })
		w.tell("other", changed("wh_2"))
		want(t, "acme", told(acme), "delivery a", "wh_1 [counts]")
		want(t, "acme too", told(too), "delivery a", "wh_1 [counts]")
		want(t, "other", told(other), "wh_2 [updated counts]")
		acme.Close()
		acme.Close()
		synctest.Wait()
		if w.watching() != 2 {
			t.Error("stopped watching although there is a listener")
		}
		too.Close()
		other.Close()
		synctest.Wait()
		if w.watching() != 0 || h.Listeners() != 0 {
			t.Errorf("watching %d organizations for %d listeners", w.watching(), h.Listeners())
		}
	})
}

func TestWhatIsTooMuchBecomesAResync(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.set("acme", "wh_1", nil)
		h, stop := start(t, w)
		defer stop()
		l := listen(t, h, "acme")
		defer l.Close()
		w.tell("acme", attempts("wh_1", "1", "2", "3", "4", "5"))
		want(t, "as many as may be", told(l), "delivery 1", "delivery 2", "delivery 3", "delivery 4", "delivery 5", "wh_1 [counts]")
		w.tell("acme", attempts("wh_1", "1", "2", "3"))
		w.tell("acme", attempts("wh_1", "4", "5", "6"))
		w.tell("acme", attempts("wh_1", "7"))
		later()
		want(t, "one more", told(l), "resync busy")
		w.tell("acme", stream.Activity{Attempts: attempts("wh_1", "1").Attempts, More: true})
		want(t, "more than a message holds", told(l), "resync busy")
	})
}

func TestEveryListenerGetsAResyncAfterAGap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.set("acme", "wh_1", nil)
		h, stop := start(t, w)
		defer stop()
		acme, other := listen(t, h, "acme"), listen(t, h, "other")
		defer acme.Close()
		defer other.Close()
		synctest.Wait()
		w.set("acme", "wh_1", func(v *manage.View) { v.Name = "missed" })
		w.missed()
		want(t, "acme", told(acme), "resync missed")
		want(t, "other", told(other), "resync missed")
		later()
		w.tell("acme", changed("wh_1"))
		later()
		want(t, "what was read again", told(acme))
	})
}

func TestASlowListenerIsLetGoAndTheOthersAreNot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		h, stop := start(t, w)
		defer stop()
		slow, quick := listen(t, h, "acme"), listen(t, h, "acme")
		defer slow.Close()
		defer quick.Close()
		for range 2 {
			w.tell("acme", attempts("wh_1", "1", "2", "3", "4"))
			later()
			if got := told(quick); len(got) != 4 {
				t.Fatalf("told %q", got)
			}
		}
		w.tell("acme", attempts("wh_1", "1", "2"))
		want(t, "quick", told(quick), "delivery 1", "delivery 2")
		got := told(slow)
		if len(got) != 10 || got[9] != "end" || !slow.Slow() || quick.Slow() {
			t.Errorf("slow was told %q", got)
		}
		if h.Listeners() != 2 {
			t.Error("a listener that was not closed is not counted")
		}
	})
}

func TestLimits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		h, stop := start(t, w)
		first := listen(t, h, "a")
		listen(t, h, "a")
		if _, err := h.Listen(t.Context(), "a"); !fault.Is(err, fault.RateLimited) {
			t.Errorf("third of one organization: %v", err)
		}
		listen(t, h, "b")
		last := listen(t, h, "c")
		if _, err := h.Listen(t.Context(), "d"); !fault.Is(err, fault.Unavailable) {
			t.Errorf("fifth in all: %v", err)
		}
		first.Close()
		again := listen(t, h, "a")
		stop()
		for _, l := range []*live.Listener{again, last} {
			if got := told(l); !reflect.DeepEqual(got, []string{"end"}) || l.Slow() {
				t.Errorf("at the end: told %q", got)
			}
			l.Close()
		}
		if w.watching() != 0 {
			t.Error("still watching after the end")
		}
		if _, err := h.Listen(t.Context(), "a"); !fault.Is(err, fault.Unavailable) {
			t.Errorf("after the end: %v", err)
		}
	})
}

func TestWhatIsAwayIsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.set("acme", "wh_1", nil)
		h, stop := start(t, w)
		defer stop()
		away := errors.New("away")
		w.setAway(away)
		if _, err := h.Listen(t.Context(), "acme"); !errors.Is(err, away) || h.Listeners() != 0 {
			t.Fatalf("error %v with %d listeners", err, h.Listeners())
		}
		w.setAway(nil)
		l := listen(t, h, "acme")
		defer l.Close()
		w.setAway(away)
		w.set("acme", "wh_1", func(v *manage.View) { v.Name = "x" })
		w.tell("acme", attempts("wh_1", "a"))
		later()
		want(t, "while the database is away", told(l), "delivery a")
		w.setAway(nil)
		later()
		want(t, "when it is back", told(l), "wh_1 [updated counts]")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if l, err := h.Listen(ctx, "acme"); err == nil {
			l.Close() // it was ready before the end was noticed
		} else if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if h.Listeners() != 1 {
			t.Errorf("%d listeners", h.Listeners())
		}
	})
}
