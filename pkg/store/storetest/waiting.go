package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// held returns the record of a delivery that has to wait, of the event with a
// sequence.
func held(w webhook.Webhook, sequence uint64, at time.Time) delivery.Attempt {
	a := Succeeded(w, at, 0)
	a.Number, a.EventSequence, a.EventStored, a.Waits = 0, sequence, at, delivery.MayWait
	a.Outcome = delivery.Outcome{Result: delivery.Deferred, Message: "Held."}
	return a
}

// waits returns the sequences of what waits for a webhook, in their order.
func waits(t *testing.T, s store.Store, w webhook.Webhook) []uint64 {
	t.Helper()
	all := reads(t, s, w, 1000)
	counts, err := s.CountWaiting(t.Context(), []string{w.ID, "wh_other"})
	if err != nil || counts[w.ID] != int64(len(all)) {
		t.Errorf("%d deliveries wait, %v are counted; %v", len(all), counts, err)
	}
	if total, err := s.TotalWaiting(t.Context()); err != nil || total != int64(len(all)) {
		t.Errorf("%d deliveries wait, in all %d; %v", len(all), total, err)
	}
	var sequences []uint64
	for _, one := range all {
		sequences = append(sequences, one.EventSequence)
	}
	return sequences
}

// reads returns the first n deliveries that wait for a webhook, read beside those of
// another webhook.
func reads(t *testing.T, s store.Store, w webhook.Webhook, n int) []store.WaitingDelivery {
	t.Helper()
	found, err := s.ReadWaiting(t.Context(), []store.WaitingRead{{WebhookID: "wh_other", AtMost: 1}, {WebhookID: w.ID, AtMost: n}})
	if err != nil || len(found["wh_other"]) > 0 {
		t.Fatal(found, err)
	}
	return found[w.ID]
}

func claims(t *testing.T, s store.Store, holder string, at time.Time) []string {
	t.Helper()
	claimed, err := s.ClaimWaiting(t.Context(), holder, store.WaitingClaim{Now: at, Until: at.Add(10 * time.Second), RunOut: at, AtOnce: 10})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, one := range claimed {
		if one.OrganizationID != "acme" {
			t.Errorf("%+v was claimed", one)
		}
		ids = append(ids, one.WebhookID)
	}
	slices.Sort(ids)
	return ids
}

// What waits is kept with its record, once, and removed with the record that says
// that it is done with.
func waitingRecords(t *testing.T, s store.Store) {
	t.Helper()
	w := create(t, s, Webhook("acme"))
	now := time.Now()
	first, second, lane := held(w, 9, now), held(w, 4, now), held(w, 5, now)
	lane.Waits = delivery.InLane
	delivered := Succeeded(w, now, time.Second)
	delivered.Waits = delivery.MayWait
	record(t, s, first, second, lane, delivered)
	again := first
	again.ID = "att_" + newID()
	record(t, s, again)
	if got := waits(t, s, w); !slices.Equal(got, []uint64{4, 9}) {
		t.Fatalf("%v wait", got)
	}
	wantEqual(t, "what waits first", reads(t, s, w, 1), []store.WaitingDelivery{{
		ID: second.DeliveryID, WebhookID: w.ID, EventID: second.EventID, EventType: second.EventType,
		EventSequence: 4, EventStored: delivery.Recordable(now), Waits: delivery.Waiting,
	}})

	failed := Failed(w, now, time.Second)
	failed.DeliveryID, failed.EventID, failed.EventSequence, failed.Waits = second.DeliveryID, second.EventID, 4, delivery.Waiting
	if step := record(t, s, failed)[0]; step.Decision.Action != delivery.Wait || !step.After.Waiting {
		t.Fatalf("%+v", step)
	}
	if got := waits(t, s, w); !slices.Equal(got, []uint64{4, 9}) {
		t.Errorf("%v wait after a failure that holds the webhook", got)
	}
	succeeded := failed
	succeeded.ID, succeeded.Number, succeeded.Outcome = "att_"+newID(), 2, delivered.Outcome
	record(t, s, succeeded)
	if got := waits(t, s, w); !slices.Equal(got, []uint64{9}) {
		t.Errorf("%v wait after one was delivered", got)
	}
	// A failure that is kept at once, as the one that holds a webhook is.
	failed = Failed(w, now.Add(time.Minute), time.Second)
	failed.EventSequence, failed.EventStored, failed.Waits = 12, now, delivery.MayWait
	record(t, s, failed)
	wantNoError(t, s.ForgetWaiting(t.Context(), w.ID, 9))
	if got := waits(t, s, w); !slices.Equal(got, []uint64{12}) {
		t.Errorf("%v wait", got)
	}
	wantNoError(t, s.DropWaiting(t.Context(), w.ID))
	if got := waits(t, s, w); len(got) > 0 || !get(t, s, w).Waiting {
		t.Errorf("%v wait", got)
	}
}

// One replica at a time reads what waits for a webhook, when that may be tried.
func waitingLease(t *testing.T, s store.Store) {
	t.Helper()
	due, onHold, disabled, idle := Webhook("acme"), Webhook("acme"), Webhook("acme"), Webhook("acme")
	now := time.Now()
	onHold.Health.HoldUntil = now.Add(time.Minute)
	disabled.Health.AutoDisabled = webhook.DisabledAsGone
	for _, w := range []webhook.Webhook{due, onHold, disabled, idle} {
		create(t, s, w)
	}
	record(t, s, held(due, 1, now), held(onHold, 1, now), held(disabled, 1, now))
	for _, c := range []struct {
		holder string
		at     time.Time
		want   []string
	}{
		{"one", now, []string{due.ID}},
		{"other", now.Add(9 * time.Second), nil},
		{"other", now.Add(11 * time.Second), []string{due.ID}}, // the lease has run out
		{"one", now.Add(time.Minute), slices.Sorted(slices.Values([]string{due.ID, onHold.ID}))},
	} {
		if got := claims(t, s, c.holder, c.at); !slices.Equal(got, c.want) {
			t.Errorf("%s at %s claims %v, want %v", c.holder, c.at.Sub(now), got, c.want)
		}
	}
	// Who has not seen yet whether the holder renews its leases takes none of them.
	far := now.Add(time.Hour)
	if claimed, err := s.ClaimWaiting(t.Context(), "other", store.WaitingClaim{Now: far, Until: far, AtOnce: 10}); err != nil || len(claimed) > 0 {
		t.Errorf("claimed %v, %v", claimed, err)
	}
	later := now.Add(2 * time.Minute)
	renewed, err := s.RenewWaiting(t.Context(), "one", []string{due.ID, idle.ID}, later)
	if err != nil || !slices.Equal(renewed, []string{due.ID}) {
		t.Errorf("renewed %v, %v", renewed, err)
	}
	if renewed, err = s.RenewWaiting(t.Context(), "other", []string{due.ID}, later); err != nil || len(renewed) > 0 {
		t.Errorf("another renewed %v, %v", renewed, err)
	}
	wantNoError(t, s.LeaveWaiting(t.Context(), "other", []string{due.ID})) // it has nothing to leave
	wantNoError(t, s.LeaveWaiting(t.Context(), "one", []string{onHold.ID, idle.ID}))
	if got := claims(t, s, "other", later.Add(-time.Second)); !slices.Equal(got, []string{onHold.ID}) {
		t.Errorf("claimed %v", got)
	}
}

// A webhook is read until nothing waits for it; what is kept after that has it read
// again.
func waitingEnds(t *testing.T, s store.Store) {
	t.Helper()
	w, busy := create(t, s, Webhook("acme")), create(t, s, Webhook("acme"))
	now := time.Now()
	record(t, s, held(w, 1, now), held(busy, 1, now))
	claims(t, s, "one", now)
	const gone = "wh_gone"
	finish := func(holder string, want bool) {
		t.Helper()
		finished, err := s.FinishWaiting(t.Context(), holder, []string{w.ID, busy.ID})
		if err != nil || slices.Contains(finished, w.ID) != want || busy.ID != gone && slices.Contains(finished, busy.ID) {
			t.Errorf("finished %v, %v", finished, err)
		}
	}
	finish("one", false)
	wantNoError(t, s.ForgetWaiting(t.Context(), w.ID, 1))
	finish("one", true)
	wantNoError(t, s.DropWaiting(t.Context(), busy.ID))
	if finished, err := s.FinishWaiting(t.Context(), "one", []string{busy.ID}); err != nil || len(finished) != 1 {
		t.Errorf("finished %v, %v", finished, err)
	}
	busy.ID = gone
	if got := claims(t, s, "one", now.Add(time.Hour)); len(got) > 0 || get(t, s, w).Waiting {
		t.Errorf("%v was claimed for which nothing waits", got)
	}
	record(t, s, held(w, 2, now))
	if got := claims(t, s, "other", now); !slices.Equal(got, []string{w.ID}) {
		t.Errorf("claimed %v", got)
	}
	changed, err := s.Update(t.Context(), By(), "acme", w.ID, 0, func(w webhook.Webhook) (webhook.Webhook, error) {
		w.Waiting, w.Name = false, "Another name"
		return w, nil
	})
	if err != nil || !changed.Waiting || !get(t, s, w).Waiting {
		t.Errorf("an update ended the waiting: %v", err)
	}
	if _, err := s.Delete(t.Context(), By(), "acme", w.ID, 0); err != nil {
		t.Fatal(err)
	}
	if got := waits(t, s, w); len(got) > 0 {
		t.Errorf("%v wait for a deleted webhook", got)
	}
	finish("other", true)
}

// What is older than events are kept waits no longer.
func waitingPrune(t *testing.T, s store.Store) {
	t.Helper()
	w := create(t, s, Webhook("acme"))
	now := time.Now()
	record(t, s, held(w, 1, now.Add(-2*time.Hour)), held(w, 2, now))
	wantNoError(t, s.Prune(t.Context(), now, store.Retention{Log: time.Hour, Audit: time.Hour}))
	if got := waits(t, s, w); !slices.Equal(got, []uint64{2}) {
		t.Errorf("%v wait", got)
	}
}
