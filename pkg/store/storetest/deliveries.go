//nolint:thelper // These are the tests themselves: a failure belongs to its own line.
package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/webhook"
)

func attemptRoundTrip(t *testing.T, s store.Store) {
	w := create(t, s, Webhook("acme"))
	at := time.Now().UTC().Truncate(time.Microsecond)
	full := Failed(w, at, 1500*time.Millisecond)
	full.EventType, full.EventSequence, full.Number = event.NoteCreated, 1<<63-1, 3
	full.URL = "https://hooks.example.com/ü?'\\"
	full.HeaderNames = []string{"!#$%&'*+-.^_`|~", "X-B"}
	full.Outcome = delivery.Outcome{
		Result: delivery.Failed, Reason: delivery.ReasonRateLimited, Message: "Server answered 429 “Çok fazla istek” 🐢",
		StatusCode: 429, RetryAfter: 90 * time.Second, RemoteAddr: "[2001:db8::1]:443", SentTwice: true,
		Response: delivery.Response{
			Header:    map[string][]string{"Retry-After": {"90"}, "X-Many": {"a", "", "\"'\\\t"}},
			Body:      []byte{0, 1, 0xff, 0xfe, '\\', '\n', '\t', 'x'},
			Truncated: true, HeaderTruncated: true, Encoding: "gzip, br\t\\N",
		},
		Phases: delivery.Phases{Resolve: 1, Connect: time.Millisecond, TLS: 3, FirstByte: time.Second, Total: 1500 * time.Millisecond},
	}
	least := Succeeded(w, at.Add(time.Minute), time.Second)
	recorded := record(t, s, full, least)
	for i, want := range []delivery.Attempt{full, least} {
		logged := logOf(t, s, want)
		wantEqual(t, "log", logged, []store.LoggedAttempt{{
			Attempt: want, Status: recorded[i].Decision.Status, NextAt: recorded[i].Decision.At,
		}})
	}
	if recorded[0].Decision.At.IsZero() || recorded[0].Decision.Status != delivery.StatusRetrying {
		t.Errorf("decision: %+v", recorded[0].Decision)
	}
}

func hostileAnswer(t *testing.T, s store.Store) {
	w := create(t, s, Webhook("acme"))
	a := Failed(w, time.Now(), time.Second)
	a.Outcome.Message = "cut \xff\xfe NUL \x00 end"
	a.Outcome.RemoteAddr, a.URL = "\x00", "https://a.example/\xff\x00"
	a.Outcome.Response.Header = map[string][]string{"X-\x00": {"a\x00b", "\xff"}}
	a.Outcome.Response.Body = []byte(strings.Repeat("\x00\xff", 4000))
	a.Outcome.Response.Encoding = "b\x00r\xff"
	recorded := record(t, s, a)
	const message = "cut \uFFFD NUL \uFFFD end"
	wantEqual(t, "last error", get(t, s, w).Health, recorded[0].After.Health)
	wantEqual(t, "message", recorded[0].After.Health.LastError.Message, message)
	logged := logOf(t, s, a)[0]
	wantEqual(t, "logged message", logged.Outcome.Message, message)
	wantEqual(t, "logged body", string(logged.Outcome.Response.Body), strings.Repeat("\x00\xff", 2048))
	wantEqual(t, "logged header", logged.Outcome.Response.Header, map[string][]string{"X-\x00": {"a\x00b", "\uFFFD"}})
	wantEqual(t, "logged encoding", logged.Outcome.Response.Encoding, "b\uFFFDr\uFFFD")
	if !logged.Outcome.Response.Truncated {
		t.Error("a body that was cut is not marked")
	}
}

func recordInOrder(t *testing.T, s store.Store) {
	w, other := create(t, s, Webhook("acme")), create(t, s, Webhook("beta"))
	now := time.Now()
	recorded := record(t, s,
		Failed(w, now, time.Second),
		Succeeded(other, now, time.Second),
		Succeeded(w, now.Add(2*time.Second), time.Second),
		Failed(w, now.Add(4*time.Second), time.Second),
	)
	counts := func(r delivery.Step) [2]int {
		return [2]int{r.Before.Health.FailureCount, r.After.Health.FailureCount}
	}
	wantEqual(t, "counts", [][2]int{counts(recorded[0]), counts(recorded[1]), counts(recorded[2]), counts(recorded[3])},
		[][2]int{{0, 1}, {0, 0}, {1, 0}, {0, 1}})
	wantEqual(t, "first before", *recorded[0].Before, unsealed(w))
	wantEqual(t, "kept", unsealed(get(t, s, w)), *recorded[3].After)
	wantEqual(t, "other kept", unsealed(get(t, s, other)), *recorded[1].After)
	wantEqual(t, "last sent", get(t, s, w).Health.LastSentAt, delivery.Recordable(now.Add(3*time.Second)))
	wantEqual(t, "version", get(t, s, w).Version, w.Version)
}

// unsealed returns a webhook as the answers of Record have it.
func unsealed(w webhook.Webhook) webhook.Webhook {
	w.Secret, w.Headers = "", nil
	return w
}

func recordAutoDisable(t *testing.T, s store.Store) {
	w := create(t, s, Webhook("acme"))
	now := time.Now()
	for i := range 5 {
		recorded := record(t, s, Failed(w, now.Add(time.Duration(i)*time.Minute), time.Second))[0]
		disabled := i >= 2
		if got := recorded.After.Status() == webhook.StatusAutoDisabled; got != disabled {
			t.Errorf("failure %d: disabled %t", i+1, got)
		}
		wantVersion := w.Version
		if disabled {
			wantVersion++ // once
		}
		wantEqual(t, "version", recorded.After.Version, wantVersion)
		wantEqual(t, "kept", unsealed(get(t, s, w)), *recorded.After)
	}
	wantEqual(t, "updated", get(t, s, w).UpdatedAt, delivery.Recordable(now.Add(2*time.Minute+time.Second)))
	enabled, err := s.Update(t.Context(), By(), "acme", w.ID, w.Version+1, func(w webhook.Webhook) (webhook.Webhook, error) {
		w.Health = w.Health.Enable(now.Add(time.Hour))
		return w, nil
	})
	if err != nil || enabled.Status() != webhook.StatusActive || enabled.Health.FailureCount != 0 || len(enabled.Health.Outages) != 0 {
		t.Errorf("enabled: %+v, %v", enabled, err)
	}
}

// recordLate checks that failures of which the replicas did not know of each other
// are one outage: the second began before the first was recorded.
func recordLate(t *testing.T, s store.Store) {
	w := create(t, s, Webhook("acme"))
	now := time.Now()
	for _, ago := range []time.Duration{4 * time.Second, 2 * time.Second} {
		record(t, s, Failed(w, now.Add(-ago), time.Second))
	}
	h := get(t, s, w).Health
	if h.FailureCount != 1 || len(h.Outages) != 1 || h.Outages[0].Recorded.Before(delivery.Recordable(now)) {
		t.Errorf("health is %+v, want one failure, and when it was recorded", h)
	}
}

func recordRemove(t *testing.T, s store.Store) {
	w := Webhook("acme")
	w.Provider = webhook.Zapier
	w = create(t, s, w)
	custom := create(t, s, Webhook("acme"))
	now := time.Now()
	gone := func(w webhook.Webhook) delivery.Attempt {
		a := Failed(w, now, time.Second)
		a.Outcome.Reason, a.Outcome.StatusCode = delivery.ReasonGone, 410
		return a
	}
	before, after := Succeeded(w, now.Add(-time.Minute), time.Second), Succeeded(w, now.Add(time.Minute), time.Second)
	recorded := record(t, s, before, gone(w), gone(custom), after)
	wantEqual(t, "actions", []delivery.Action{recorded[1].Decision.Action, recorded[2].Decision.Action},
		[]delivery.Action{delivery.Remove, delivery.Wait})
	wantEqual(t, "found", []bool{recorded[0].Found, recorded[1].Found, recorded[2].Found, recorded[3].Found},
		[]bool{true, true, true, false})
	all, err := s.All(t.Context(), "acme")
	wantNoError(t, err)
	wantEqual(t, "how many are left", len(all), 1)
	wantEqual(t, "left", unsealed(all[0]), *recorded[2].After)
	if recorded := record(t, s, gone(w)); recorded[0].Found {
		t.Error("a removed webhook was found")
	}
}

func recordNotSent(t *testing.T, s store.Store) {
	w := create(t, s, Webhook("acme"))
	now := time.Now()
	failed := Failed(w, now, time.Second)
	held, skipped := Failed(w, now, 0), Failed(w, now, 0)
	held.Number, held.Outcome = 0, delivery.Outcome{Result: delivery.Deferred, Message: "On hold."}
	skipped.Number, skipped.Outcome = 0, delivery.Outcome{Result: delivery.Skipped, Message: "Disabled."}
	recorded := record(t, s, failed, held, skipped)
	hold := recorded[0].After.Health.HoldUntil
	for i, a := range []delivery.Attempt{held, skipped} {
		wantEqual(t, "unchanged", *recorded[i+1].After, *recorded[0].After)
		logged := logOf(t, s, a)
		wantEqual(t, "logged", []any{len(logged), logged[0].Status, logged[0].NextAt, logged[0].Outcome.Result},
			[]any{1, []delivery.Status{delivery.StatusHeld, delivery.StatusSkipped}[i], []time.Time{hold, {}}[i], a.Outcome.Result})
	}
}

func recordUnknown(t *testing.T, s store.Store) {
	w := create(t, s, Webhook("acme"))
	batch := []delivery.Attempt{Failed(w, time.Now(), time.Second)}
	for range 1200 { // more than one list of ids holds
		batch = append(batch, Failed(Webhook("acme"), time.Now(), time.Second))
	}
	rand.Shuffle(len(batch), func(i, j int) { batch[i], batch[j] = batch[j], batch[i] })
	var ids []string
	for i, r := range record(t, s, batch...) {
		if r.Found != (batch[i].WebhookID == w.ID) {
			t.Errorf("attempt %d: found %t", i, r.Found)
		}
		ids = append(ids, batch[i].DeliveryID)
	}
	p, err := s.Progress(t.Context(), ids, delivery.TimeRange{})
	if err != nil || len(p) != 1 {
		t.Errorf("logged %d attempts, %v", len(p), err)
	}
}

func recordTwice(t *testing.T, s store.Store) {
	w := create(t, s, Webhook("acme"))
	now := time.Now()
	a, b, c := Failed(w, now, time.Second), Failed(w, now.Add(time.Minute), time.Second), Failed(w, now.Add(time.Minute), time.Second)
	first := record(t, s, a, b)
	again := record(t, s, a, b, c, c)
	wantEqual(t, "health", again[3].After.Health, first[1].After.Health)
	wantEqual(t, "kept", get(t, s, w).Health, first[1].After.Health)
	for _, x := range []delivery.Attempt{a, b, c} {
		if logged := logOf(t, s, x); len(logged) != 1 {
			t.Errorf("logged %d times", len(logged))
		}
	}
}

func recordEmpty(t *testing.T, s store.Store) {
	if recorded := record(t, s); len(recorded) != 0 {
		t.Errorf("recorded %v", recorded)
	}
}

func recordTest(t *testing.T, s store.Store) {
	w := create(t, s, Webhook("acme"))
	failed, succeeded := Failed(w, time.Now(), time.Second), Succeeded(w, time.Now(), time.Second)
	failed.Test, succeeded.Test = true, true
	record(t, s, failed, succeeded)
	wantEqual(t, "webhook", get(t, s, w), w)
	if logged := logOf(t, s, failed); len(logged) != 1 || !logged[0].Test {
		t.Errorf("log: %+v", logged)
	}
	if p, err := s.Progress(t.Context(), []string{failed.DeliveryID, succeeded.DeliveryID}, delivery.TimeRange{}); err != nil || len(p) != 0 {
		t.Errorf("progress: %v, %v", p, err)
	}
}

func recordOverlapInParallel(t *testing.T, s store.Store) {
	w := create(t, s, Webhook("acme"))
	now := time.Now()
	var replicas sync.WaitGroup
	for i := range 16 {
		replicas.Go(func() {
			// All of them were in flight at now + 10 s.
			a := Failed(w, now.Add(time.Duration(i)*100*time.Millisecond), 20*time.Second)
			if _, err := s.Record(t.Context(), delivery.DefaultPolicy(), []delivery.Attempt{a}); err != nil {
				t.Error(err)
			}
		})
	}
	replicas.Wait()
	wantEqual(t, "failure count", get(t, s, w).Health.FailureCount, 1)
}

func recordInParallel(t *testing.T, s store.Store) {
	const replicas, batches, hooks = 6, 6, 12
	var all []webhook.Webhook
	for range hooks {
		all = append(all, create(t, s, Webhook("acme")))
	}
	now := time.Now()
	var done sync.WaitGroup
	for range replicas {
		done.Go(func() {
			for range batches {
				var batch []delivery.Attempt
				for _, i := range rand.Perm(hooks) { // each in another order
					batch = append(batch, Succeeded(all[i], now, time.Second))
				}
				if _, err := s.Record(t.Context(), delivery.DefaultPolicy(), batch); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done.Wait()
	for _, w := range all {
		wantEqual(t, "last sent", get(t, s, w).Health.LastSentAt, delivery.Recordable(now.Add(time.Second)))
	}
}

// recordProperty checks the rule of consecutive failures (specification,
// section 5.2) on random histories: failures come in outages that are apart in
// time, all failures of an outage overlap; several replicas record them in any
// order and any batches; and between two phases a success ends the count.
func recordProperty(t *testing.T, s store.Store) {
	policy := delivery.DefaultPolicy()
	policy.AutoDisableAfter = 1 << 20 // so that the count goes on
	rapid.Check(t, func(rt *rapid.T) {
		w := create(t, s, Webhook("org"+newID()))
		clock := time.Now()
		for phase := range rapid.IntRange(1, 3).Draw(rt, "phases") {
			var history []delivery.Attempt
			if phase > 0 {
				record(t, s, Succeeded(w, clock, time.Second))
				// What ended before the success and is recorded late is history.
				for range rapid.IntRange(0, 2).Draw(rt, "late") {
					history = append(history, Failed(w, clock.Add(-time.Minute), time.Second))
				}
				clock = clock.Add(2 * time.Second)
			}
			outages := rapid.IntRange(0, 4).Draw(rt, "outages")
			for range outages {
				middle := clock.Add(time.Minute)
				for range rapid.IntRange(1, 5).Draw(rt, "failures") {
					before := time.Duration(rapid.Int64Range(1, int64(time.Minute)/1000).Draw(rt, "before")) * time.Microsecond
					after := time.Duration(rapid.Int64Range(1, int64(time.Minute)/1000).Draw(rt, "after")) * time.Microsecond
					history = append(history, Failed(w, middle.Add(-before), before+after))
				}
				clock = clock.Add(3 * time.Minute)
			}
			history = rapid.Permutation(history).Draw(rt, "order")
			size := rapid.IntRange(1, 4).Draw(rt, "batch")
			var replicas sync.WaitGroup
			for batch := range slices.Chunk(history, size) {
				replicas.Go(func() {
					if _, err := s.Record(t.Context(), policy, batch); err != nil {
						t.Error(err)
					}
				})
			}
			replicas.Wait()
			if got := get(t, s, w).Health; got.FailureCount != outages || len(got.Outages) != outages {
				rt.Fatalf("phase %d: failure count %d with %d outages, want %d", phase, got.FailureCount, len(got.Outages), outages)
			}
		}
	})
}

func progress(t *testing.T, s store.Store) {
	w := create(t, s, Webhook("acme"))
	now := time.Now()
	delivered, failing, held, never := Failed(w, now, time.Second), Failed(w, now, time.Second), Failed(w, now, 0), Failed(w, now, 0)
	again := delivered
	again.ID, again.Number, again.StartedAt, again.EndedAt = "att_"+newID(), 2, now.Add(time.Minute), now.Add(time.Minute+time.Second)
	again.Outcome = delivery.Outcome{Result: delivery.Succeeded, StatusCode: 204}
	delivered.EventSequence, failing.EventSequence, held.EventSequence = 5, 6, 8
	held.Number, held.Outcome = 0, delivery.Outcome{Result: delivery.Deferred}
	record(t, s, delivered, failing, held, again)
	ids := []string{delivered.DeliveryID, failing.DeliveryID, held.DeliveryID, never.DeliveryID}
	got, err := s.Progress(t.Context(), ids, delivery.TimeRange{})
	wantNoError(t, err)
	wantEqual(t, "progress", got, map[string]delivery.Progress{
		delivered.DeliveryID: {Attempts: 2, Delivered: true, LastSuccess: 2, EventSequence: 7},
		failing.DeliveryID:   {Attempts: 1, EventSequence: 6},
		held.DeliveryID:      {EventSequence: 8},
	})
	if logged := logOf(t, s, delivered); len(logged) != 2 || logged[0].Number != 1 || logged[1].Number != 2 {
		t.Errorf("log, oldest first: %+v", logged)
	}
	for i := range 1100 { // more than one list of ids holds
		ids = append(ids, fmt.Sprintf("dlv_%d", i))
	}
	slices.Reverse(ids)
	if got, err := s.Progress(t.Context(), ids, delivery.TimeRange{}); err != nil || len(got) != 3 {
		t.Errorf("of many: %v, %v", got, err)
	}
	for within, want := range map[delivery.TimeRange]delivery.Progress{
		{From: now.Add(-time.Second)}:                       {Attempts: 2, Delivered: true, LastSuccess: 2, EventSequence: 7},
		{From: now.Add(time.Second)}:                        {Attempts: 1, Delivered: true, LastSuccess: 2, EventSequence: 7},
		{To: now.Add(time.Second)}:                          {Attempts: 1, EventSequence: 5},
		{From: now.Add(time.Hour)}:                          {},
		{From: now.Add(-time.Hour), To: now.Add(time.Hour)}: {Attempts: 2, Delivered: true, LastSuccess: 2, EventSequence: 7},
	} {
		got, err := s.Progress(t.Context(), []string{delivered.DeliveryID}, within)
		wantNoError(t, err)
		wantEqual(t, fmt.Sprintf("progress from %v to %v", within.From, within.To), got[delivered.DeliveryID], want)
	}
	if got, err := s.Progress(t.Context(), nil, delivery.TimeRange{}); err != nil || len(got) != 0 {
		t.Errorf("of none: %v, %v", got, err)
	}
}

func prune(t *testing.T, s store.Store) {
	ctx := t.Context()
	w, deleted := create(t, s, Webhook("acme")), create(t, s, Webhook("acme"))
	now := time.Now()
	const retention = 7 * 24 * time.Hour
	old, young := Succeeded(w, now.Add(-retention-25*time.Hour), time.Second), Succeeded(w, now.Add(-retention+time.Minute), time.Second)
	gone := Succeeded(deleted, now, time.Second)
	record(t, s, old, young, gone)
	if _, err := s.Delete(ctx, By(), "acme", deleted.ID, 0); err != nil {
		t.Fatal(err)
	}
	for key, age := range map[string]time.Duration{"old": retention + time.Minute, "young": retention - time.Minute} {
		if _, err := s.Begin(ctx, key, nil, now.Add(-age), retention); err != nil {
			t.Fatal(err)
		}
	}
	var both sync.WaitGroup
	for range 2 { // replicas
		both.Go(func() { wantNoError(t, s.Prune(ctx, now, store.Retention{Log: retention, Audit: retention})) })
	}
	both.Wait()
	p, err := s.Progress(ctx, []string{old.DeliveryID, young.DeliveryID, gone.DeliveryID}, delivery.TimeRange{})
	wantNoError(t, err)
	wantEqual(t, "left", p, map[string]delivery.Progress{young.DeliveryID: {Attempts: 1, Delivered: true, LastSuccess: 1, EventSequence: 7}})
	for key, kept := range map[string]bool{"old": false, "young": true} {
		answer, err := s.Begin(ctx, key, nil, now, 100*retention)
		if err != nil || (answer != nil) != kept {
			t.Errorf("claim %s: %v, %v", key, answer, err)
		}
	}
}
