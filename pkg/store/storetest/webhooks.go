//nolint:thelper // These are the tests themselves: a failure belongs to its own line.
package storetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/webhook"
)

func webhookRoundTrip(t *testing.T, s store.Store) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 123_456_000, time.UTC)
	full := Webhook("acme")
	full.Name = "קריאה 📞 “x” \\ ' -- ; DROP TABLE webhooks; %s \u202e\U0010FFFF"
	full.URL = "HTTPS://xn--bcher-kva.example/ü?q='%00&" + strings.Repeat("é", 900)
	full.Provider, full.Event, full.Version = webhook.Zapier, webhook.Disabled, 41
	full.Headers = []webhook.Header{{Name: "!#$%&'*+-.^_`|~", Value: "\"a\"\t\\u0000 </script> 'b'"}, {Name: "X-B", Value: "c"}}
	full.CreatedAt, full.UpdatedAt = at, at.Add(time.Hour)
	full.Health = webhook.Health{
		FailureCount: 2,
		Outages: []webhook.Outage{
			{Interval: webhook.Interval{Start: at, End: at.Add(time.Microsecond)}, Recorded: at.Add(time.Second)},
			{Interval: webhook.Interval{Start: at.Add(time.Minute), End: at.Add(time.Hour)}},
		},
		CountFrom: at.Add(time.Second), LastSentAt: at.Add(2 * time.Second), HoldUntil: at.Add(3 * time.Second),
		LastError: &webhook.Failure{At: at, Reason: "dns", Message: "“🚫” 'quoted' \\ \x7f", StatusCode: 0},
	}
	gone := full
	gone.ID, gone.Health.HoldUntil, gone.Health.AutoDisabled = "wh_"+newID(), time.Time{}, webhook.DisabledAsGone
	plain := Webhook("acme")
	plain.CreatedAt, plain.UpdatedAt = at, at
	for _, want := range []webhook.Webhook{full, gone, plain} {
		wantEqual(t, "webhook", create(t, s, want), want)
	}
	all, err := s.All(t.Context(), "acme")
	wantNoError(t, err)
	wantEqual(t, "all", all, []webhook.Webhook{full, gone, plain})

	// What a database does not keep is cut off, not rounded up.
	odd := plain
	odd.ID = "wh_" + newID()
	odd.CreatedAt = at.Add(999 * time.Nanosecond).In(time.FixedZone("", 7200))
	wantEqual(t, "created at", create(t, s, odd).CreatedAt, at)
}

func foreignOrganization(t *testing.T, s store.Store) {
	ctx := t.Context()
	w := create(t, s, Webhook("acme"))
	a := Succeeded(w, time.Now(), time.Second)
	record(t, s, a)
	_, err := s.Get(ctx, "other", w.ID)
	wantFault(t, err, fault.NotFound, "webhook-not-found")
	_, err = s.Update(ctx, By(), "other", w.ID, 0, func(webhook.Webhook) (webhook.Webhook, error) {
		t.Error("changed another organization's webhook")
		return w, nil
	})
	wantFault(t, err, fault.NotFound, "webhook-not-found")
	_, err = s.Delete(ctx, By(), "other", w.ID, 0)
	wantFault(t, err, fault.NotFound, "webhook-not-found")
	_, err = s.Attempts(ctx, "other", w.ID, a.DeliveryID)
	wantFault(t, err, fault.NotFound, "delivery-not-found")
	if all, err := s.All(ctx, "other"); err != nil || len(all) != 0 {
		t.Errorf("all: %v, %v", all, err)
	}
	if list, next, err := s.List(ctx, "other", store.Page{Limit: 10}); err != nil || len(list) != 0 || next != "" {
		t.Errorf("list: %v, %q, %v", list, next, err)
	}
	wantEqual(t, "webhook", get(t, s, w).Name, w.Name)
}

func listPages(t *testing.T, s store.Store) {
	var want []string
	for range 7 {
		want = append([]string{create(t, s, Webhook("acme")).ID}, want...)
		create(t, s, Webhook("other"))
	}
	var got []string
	page, pages := store.Page{Limit: 3}, 0
	for {
		list, next, err := s.List(t.Context(), "acme", page)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range list {
			got = append(got, w.ID)
		}
		pages++
		if next == "" {
			break
		}
		page.After = next
		// Neither a new webhook nor the loss of the cursor's own disturbs the rest.
		create(t, s, Webhook("acme"))
		if _, err := s.Delete(t.Context(), By(), "acme", list[len(list)-1].ID, 0); err != nil {
			t.Fatal(err)
		}
	}
	wantEqual(t, "ids, newest first", got, want)
	wantEqual(t, "pages", pages, 3)
	list, next, err := s.List(t.Context(), "other", store.Page{Limit: 7})
	if err != nil || len(list) != 7 || next != "" {
		t.Errorf("a full last page: %d webhooks, next %q, %v", len(list), next, err)
	}
}

func listBadCursor(t *testing.T, s store.Store) {
	for _, cursor := range []string{"!", "wh_", "YWJj", "d2hfAA", "d2hf_w"} {
		_, _, err := s.List(t.Context(), "acme", store.Page{Limit: 3, After: cursor})
		wantFault(t, err, fault.Invalid, "invalid")
	}
}

func createLimit(t *testing.T, s store.Store) {
	create(t, s, Webhook("other")) // does not count here
	for range 2 {
		wantNoError(t, s.Create(t.Context(), By(), Webhook("acme"), 2))
	}
	wantFault(t, s.Create(t.Context(), By(), Webhook("acme"), 2), fault.Conflict, "webhook-limit-reached")
	all, err := s.All(t.Context(), "acme")
	wantNoError(t, err)
	if _, err := s.Delete(t.Context(), By(), "acme", all[0].ID, 0); err != nil {
		t.Fatal(err)
	}
	wantNoError(t, s.Create(t.Context(), By(), Webhook("acme"), 2))
}

func createLimitInParallel(t *testing.T, s store.Store) {
	const limit, callers = 5, 20
	var created, refused atomic.Int32
	var callersDone sync.WaitGroup
	for range callers {
		callersDone.Go(func() {
			switch err := s.Create(t.Context(), By(), Webhook("acme"), limit); {
			case err == nil:
				created.Add(1)
			case fault.Is(err, fault.Conflict):
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	callersDone.Wait()
	all, err := s.All(t.Context(), "acme")
	wantNoError(t, err)
	wantEqual(t, "created, refused, kept", []int{int(created.Load()), int(refused.Load()), len(all)}, []int{limit, callers - limit, limit})
}

func updateVersion(t *testing.T, s store.Store) {
	w := create(t, s, Webhook("acme"))
	now := time.Now()
	got, err := s.Update(t.Context(), By(), "acme", w.ID, w.Version, func(w webhook.Webhook) (webhook.Webhook, error) {
		w.Name, w.URL, w.Event, w.Provider = "Renamed", "https://other.example.com/", webhook.SendNotes, webhook.Zapier
		w.UpdatedAt, w.Health = now, w.Health.Enable(now)
		return w, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := w
	want.Name, want.URL, want.Event, want.Provider = "Renamed", "https://other.example.com/", webhook.SendNotes, webhook.Zapier
	want.UpdatedAt, want.Health.CountFrom, want.Version = delivery.Recordable(now), delivery.Recordable(now), w.Version+1
	wantEqual(t, "returned", got, want)
	wantEqual(t, "kept", get(t, s, w), want)
	_, err = s.Update(t.Context(), By(), "acme", "wh_"+newID(), 0, func(w webhook.Webhook) (webhook.Webhook, error) { return w, nil })
	wantFault(t, err, fault.NotFound, "webhook-not-found")
}

func updateImmutable(t *testing.T, s store.Store) {
	w := create(t, s, Webhook("acme"))
	got, err := s.Update(t.Context(), By(), "acme", w.ID, 0, func(webhook.Webhook) (webhook.Webhook, error) {
		other := Webhook("other")
		other.Name, other.UpdatedAt, other.Version = w.Name, w.UpdatedAt, 99
		return other, nil
	})
	wantNoError(t, err)
	want := w
	want.Version++
	wantEqual(t, "returned", got, want)
	wantEqual(t, "kept", get(t, s, w), want)
}

func updateStale(t *testing.T, s store.Store) {
	w := create(t, s, Webhook("acme"))
	for _, version := range []int64{w.Version + 1, -1} {
		_, err := s.Update(t.Context(), By(), "acme", w.ID, version, func(webhook.Webhook) (webhook.Webhook, error) {
			t.Error("asked to change a stale webhook")
			return w, nil
		})
		wantFault(t, err, fault.Stale, "stale-version")
	}
	wantEqual(t, "webhook", get(t, s, w), w)
}

func updateRefused(t *testing.T, s store.Store) {
	w := create(t, s, Webhook("acme"))
	refusal := errors.New("no")
	_, err := s.Update(t.Context(), By(), "acme", w.ID, 0, func(w webhook.Webhook) (webhook.Webhook, error) {
		w.Name = "never"
		return w, refusal
	})
	if !errors.Is(err, refusal) {
		t.Errorf("got %v, want change's own error", err)
	}
	wantEqual(t, "webhook", get(t, s, w), w)
}

func updateInParallel(t *testing.T, s store.Store) {
	w := create(t, s, Webhook("acme"))
	const callers, each = 8, 5
	var done sync.WaitGroup
	for range callers {
		done.Go(func() {
			for range each {
				_, err := s.Update(t.Context(), By(), "acme", w.ID, 0, func(w webhook.Webhook) (webhook.Webhook, error) {
					w.Health.FailureCount++ // a lost update would lose one
					return w, nil
				})
				wantNoError(t, err)
			}
		})
	}
	done.Wait()
	got := get(t, s, w)
	wantEqual(t, "changes, version", []int64{int64(got.Health.FailureCount), got.Version}, []int64{callers * each, 1 + callers*each})
}

func deleteWebhook(t *testing.T, s store.Store) {
	ctx := t.Context()
	w, other := create(t, s, Webhook("acme")), create(t, s, Webhook("acme"))
	before := Succeeded(w, time.Now(), time.Second)
	record(t, s, before)
	want := get(t, s, w)
	got, err := s.Delete(ctx, By(), "acme", w.ID, w.Version)
	wantNoError(t, err)
	wantEqual(t, "deleted", got, want)
	_, err = s.Get(ctx, "acme", w.ID)
	wantFault(t, err, fault.NotFound, "webhook-not-found")
	_, err = s.Delete(ctx, By(), "acme", w.ID, 0)
	wantFault(t, err, fault.NotFound, "webhook-not-found")
	_, err = s.Attempts(ctx, "acme", w.ID, before.DeliveryID)
	wantFault(t, err, fault.NotFound, "delivery-not-found")
	late := Succeeded(w, time.Now(), time.Second)
	if recorded := record(t, s, late); recorded[0].Found {
		t.Error("recorded an attempt of a deleted webhook")
	}
	if p, err := s.Progress(ctx, []string{late.DeliveryID}, delivery.TimeRange{}); err != nil || len(p) != 0 {
		t.Errorf("logged an attempt of a deleted webhook: %v, %v", p, err)
	}
	all, err := s.All(ctx, "acme")
	wantNoError(t, err)
	wantEqual(t, "left", all, []webhook.Webhook{other})
	second := create(t, s, Webhook("second"))
	of, err := s.AllOf(ctx, []string{"none", "acme", "second"})
	wantNoError(t, err)
	wantEqual(t, "of organizations", of, map[string][]webhook.Webhook{"acme": {other}, "second": {second}})
}

func deleteStale(t *testing.T, s store.Store) {
	w := create(t, s, Webhook("acme"))
	_, err := s.Delete(t.Context(), By(), "acme", w.ID, w.Version+1)
	wantFault(t, err, fault.Stale, "stale-version")
	wantEqual(t, "webhook", get(t, s, w), w)
}

func cancelled(t *testing.T, s store.Store) {
	w := create(t, s, Webhook("acme"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, errGet := s.Get(ctx, "acme", w.ID)
	_, errRecord := s.Record(ctx, delivery.DefaultPolicy(), []delivery.Attempt{Failed(w, time.Now(), time.Second)})
	_, errBegin := s.Begin(ctx, "key", nil, time.Now(), time.Hour)
	for i, err := range []error{errGet, errRecord, errBegin, s.Create(ctx, By(), Webhook("acme"), 10), s.Ping(ctx)} {
		if !errors.Is(err, context.Canceled) || fault.Is(err, fault.Unavailable) {
			t.Errorf("call %d: got %v, want the context's error", i, err)
		}
	}
	all, err := s.All(t.Context(), "acme")
	if err != nil || !slices.EqualFunc(all, []webhook.Webhook{w}, func(a, b webhook.Webhook) bool { return a.ID == b.ID }) {
		t.Errorf("after it: %v, %v", all, err)
	}
}
