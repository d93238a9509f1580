//nolint:thelper // These are the tests themselves: a failure belongs to its own line.
package storetest

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/webhook"
)

func pending(t *testing.T, s store.Store) []webhook.Notice {
	t.Helper()
	notices, err := s.PendingNotices(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	return notices
}

func noticeOfChanges(t *testing.T, s store.Store) {
	ctx := t.Context()
	w := create(t, s, Webhook("acme"))
	set := func(reason webhook.DisabledReason, refusal error) {
		_, err := s.Update(ctx, By(), "acme", w.ID, 0, func(w webhook.Webhook) (webhook.Webhook, error) {
			w.Health.AutoDisabled = reason
			w.Health.LastError = &webhook.Failure{At: w.UpdatedAt, Reason: "dns", Message: "Not found."}
			return w, refusal
		})
		if !errors.Is(err, refusal) {
			t.Fatal(err)
		}
	}
	set(webhook.NotAutoDisabled, nil)                            // changes nothing that calls for a notice
	set(webhook.DisabledAsGone, errors.New("refused after all")) // rolled back
	wantEqual(t, "before", pending(t, s), []webhook.Notice{})
	set(webhook.DisabledForFailures, nil)
	disabled := get(t, s, w)
	set(webhook.NotAutoDisabled, nil)
	enabled := get(t, s, w)
	if _, err := s.Delete(ctx, By(), "acme", w.ID, enabled.Version); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Delete(ctx, By(), "acme", w.ID, 0); err == nil {
		t.Fatal("deleted twice")
	}
	got := pending(t, s)
	if len(got) != 3 || got[2].At.IsZero() {
		t.Fatalf("notices: %+v", got)
	}
	first, _ := webhook.Transition(w, disabled, disabled.UpdatedAt)
	second, _ := webhook.Transition(disabled, enabled, enabled.UpdatedAt)
	wantEqual(t, "notices", got, []webhook.Notice{first, second, webhook.Deleted(enabled, got[2].At)})
	wantEqual(t, "kinds, reason", []any{got[0].Kind, got[1].Kind, got[2].Kind, got[0].DisabledReason, got[0].LastError.Message},
		[]any{webhook.NoticeAutoDisabled, webhook.NoticeEnabled, webhook.NoticeDeleted, webhook.DisabledForFailures, "Not found."})
}

func noticeOfOutcomes(t *testing.T, s store.Store) {
	w, zap := create(t, s, Webhook("acme")), Webhook("acme")
	zap.Provider, zap.URL = webhook.Zapier, "https://hooks.zapier.com/1"
	zap = create(t, s, zap)
	now := time.Now()
	var outages []delivery.Attempt
	for i := range 4 {
		outages = append(outages, Failed(w, now.Add(time.Duration(i)*time.Minute), time.Second))
	}
	gone := Failed(zap, now, time.Second)
	gone.Outcome.Reason, gone.Outcome.StatusCode = delivery.ReasonGone, 410
	record(t, s, outages[0], outages[1])
	wantEqual(t, "after two failures", pending(t, s), []webhook.Notice{})
	record(t, s, outages[2], gone, outages[3])
	record(t, s, outages[2], gone, outages[3]) // its answer was lost
	got := pending(t, s)
	if len(got) != 2 {
		t.Fatalf("notices: %+v", got)
	}
	after := get(t, s, w)
	for _, n := range got {
		var want []any
		switch n.WebhookID {
		case w.ID:
			want = []any{webhook.NoticeAutoDisabled, webhook.DisabledForFailures, after.Version, delivery.Recordable(outages[2].EndedAt), 503}
		case zap.ID:
			want = []any{webhook.NoticeDeleted, webhook.DisabledAsGone, zap.Version + 1, delivery.Recordable(gone.EndedAt), 410}
		}
		wantEqual(t, "notice", []any{n.Kind, n.DisabledReason, n.Version, n.At, n.LastError.StatusCode}, want)
	}
}

func noticeOfRecoveries(t *testing.T, s store.Store) {
	w := create(t, s, Webhook("acme"))
	now := delivery.Recordable(time.Now().Add(time.Minute)) // when all of them can be claimed
	end := func(r delivery.Recovery, status delivery.RecoveryStatus, message string) {
		createRecovery(t, s, r)
		if _, ok := claim(t, s, "a", now); !ok {
			t.Fatal("nothing to claim")
		}
		r.Examined, r.Queued = 7, 3
		if ok, err := s.AdvanceRecovery(t.Context(), "a", r, now); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if len(pending(t, s)) > 0 {
			t.Error("a notice of a recovery that goes on")
		}
		if _, ok := claim(t, s, "a", now); !ok {
			t.Fatal("nothing to claim")
		}
		for i := range 2 { // the second finds it ended
			if ok, err := s.AdvanceRecovery(t.Context(), "a", r.End(status, message, now), now); ok != (i == 0) || err != nil {
				t.Fatal(ok, err)
			}
		}
	}
	want := func(r delivery.Recovery, end webhook.RecoveryEnd) {
		t.Helper()
		end.ID = r.ID
		wantEqual(t, "notices", pending(t, s), []webhook.Notice{webhook.Recovered(w, end, now)})
		wantNoError(t, s.DropNotices(t.Context(), []string{pending(t, s)[0].ID}))
	}
	done, failed, dry, cancelled := Recovery(w), Recovery(w), Recovery(w), Recovery(w)
	end(done, delivery.RecoveryDone, "")
	want(done, webhook.RecoveryEnd{Status: "done", Examined: 7, Queued: 3})
	end(failed, delivery.RecoveryFailed, "The webhook was disabled.")
	want(failed, webhook.RecoveryEnd{Status: "failed", Message: "The webhook was disabled.", Examined: 7, Queued: 3})
	dry.DryRun = true
	end(dry, delivery.RecoveryDone, "")
	wantEqual(t, "of a dry run", pending(t, s), []webhook.Notice{})
	createRecovery(t, s, cancelled)
	for range 2 {
		wantNoError(t, s.CancelRecovery(t.Context(), By(), "acme", w.ID, cancelled.ID, now))
	}
	want(cancelled, webhook.RecoveryEnd{Status: "cancelled"})
}

func noticeOutbox(t *testing.T, s store.Store) {
	ctx := t.Context()
	w := Webhook("acme")
	w.Name = "“🚫” 'quoted' \\ \x7f"
	at := delivery.Recordable(time.Now())
	want := make([]webhook.Notice, 0, 3)
	for i := range 3 {
		n := webhook.Recovered(w, webhook.RecoveryEnd{ID: "rec_" + strconv.Itoa(i), Status: "done", Examined: 2, Queued: 1}, at)
		wantNoError(t, s.AddNotice(ctx, n))
		again := n
		again.WebhookName = "another text"
		wantNoError(t, s.AddNotice(ctx, again))
		want = append(want, n)
	}
	wantEqual(t, "pending", pending(t, s), want)
	two, err := s.PendingNotices(ctx, 2)
	wantNoError(t, err)
	wantEqual(t, "the first two", two, want[:2])
	wantNoError(t, s.DropNotices(ctx, nil))
	wantNoError(t, s.DropNotices(ctx, []string{want[0].ID, want[2].ID, "absent"}))
	wantNoError(t, s.DropNotices(ctx, []string{want[0].ID}))
	wantEqual(t, "left", pending(t, s), want[1:2])
}

// noticeOrder changes many webhooks at once: each one's notices come in the
// order of its versions.
func noticeOrder(t *testing.T, s store.Store) {
	const hooks, changes = 5, 8
	var all sync.WaitGroup
	for range hooks {
		w := create(t, s, Webhook("acme"))
		for range 2 {
			all.Go(func() {
				for range changes {
					_, err := s.Update(t.Context(), By(), "acme", w.ID, 0, func(w webhook.Webhook) (webhook.Webhook, error) {
						if w.Health.AutoDisabled == webhook.NotAutoDisabled {
							w.Health.AutoDisabled = webhook.DisabledForFailures
						} else {
							w.Health = w.Health.Enable(time.Now())
						}
						return w, nil
					})
					wantNoError(t, err)
				}
			})
		}
	}
	all.Wait()
	notices := pending(t, s)
	wantEqual(t, "notices", len(notices), hooks*2*changes)
	slices.SortStableFunc(notices, func(a, b webhook.Notice) int { return strings.Compare(a.WebhookID, b.WebhookID) })
	for i, n := range notices {
		wantEqual(t, "version", n.Version, int64(2+i%(2*changes)))
	}
}
