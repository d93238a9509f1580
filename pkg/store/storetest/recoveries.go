//nolint:thelper // These are the tests themselves: a failure belongs to its own line.
package storetest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/webhook"
)

const lease = 10 * time.Second

// Recovery returns a new recovery of what a webhook missed in the last hour.
func Recovery(w webhook.Webhook) delivery.Recovery {
	now := delivery.Recordable(time.Now())
	return delivery.Recovery{
		ID: "rec_" + newID(), OrganizationID: w.OrganizationID, WebhookID: w.ID, EventType: event.Type(w.Event),
		Since: now.Add(-time.Hour), Until: now, Status: delivery.RecoveryRunning, Total: 40, CreatedAt: now,
	}
}

func createRecovery(t *testing.T, s store.Store, r delivery.Recovery) delivery.Recovery {
	t.Helper()
	if err := s.CreateRecovery(t.Context(), By(), r); err != nil {
		t.Fatalf("create recovery: %v", err)
	}
	return r
}

func getRecovery(t *testing.T, s store.Store, r delivery.Recovery) delivery.Recovery {
	t.Helper()
	got, err := s.GetRecovery(t.Context(), r.OrganizationID, r.WebhookID, r.ID)
	if err != nil {
		t.Fatalf("get recovery: %v", err)
	}
	return got
}

func claim(t *testing.T, s store.Store, holder string, now time.Time) (delivery.Recovery, bool) {
	t.Helper()
	r, ok, err := s.ClaimRecovery(t.Context(), holder, now, lease)
	if err != nil {
		t.Fatalf("claim recovery: %v", err)
	}
	return r, ok
}

func recoveryRoundTrip(t *testing.T, s store.Store) {
	w := create(t, s, Webhook("acme"))
	r := createRecovery(t, s, Recovery(w))
	wantEqual(t, "recovery", getRecovery(t, s, r), r)
	for _, other := range [][3]string{{"other", w.ID, r.ID}, {"acme", create(t, s, Webhook("acme")).ID, r.ID}, {"acme", w.ID, "rec_" + newID()}} {
		_, err := s.GetRecovery(t.Context(), other[0], other[1], other[2])
		wantFault(t, err, fault.NotFound, "recovery-not-found")
		wantFault(t, s.CancelRecovery(t.Context(), By(), other[0], other[1], other[2], time.Now()), fault.NotFound, "recovery-not-found")
	}
	wantEqual(t, "after what others tried", getRecovery(t, s, r), r)
	foreign := Recovery(w)
	foreign.OrganizationID = "other"
	wantFault(t, s.CreateRecovery(t.Context(), By(), foreign), fault.NotFound, "webhook-not-found")
	if _, err := s.Delete(t.Context(), By(), "acme", w.ID, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := s.GetRecovery(t.Context(), "acme", w.ID, r.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("the recovery of a deleted webhook: %v", err)
	}
	if _, ok := claim(t, s, "a", time.Now().Add(time.Minute)); ok {
		t.Error("the recovery of a deleted webhook is claimed")
	}
	wantFault(t, s.CreateRecovery(t.Context(), By(), Recovery(w)), fault.NotFound, "webhook-not-found")
}

func recoveryOneAtATime(t *testing.T, s store.Store) {
	w, other := create(t, s, Webhook("acme")), create(t, s, Webhook("acme"))
	var (
		all     sync.WaitGroup
		mu      sync.Mutex
		running []delivery.Recovery
	)
	for range 8 {
		all.Go(func() {
			r := Recovery(w)
			err := s.CreateRecovery(t.Context(), By(), r)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				running = append(running, r)
				return
			}
			wantFault(t, err, fault.Conflict, "recovery-running")
		})
	}
	all.Wait()
	if len(running) != 1 {
		t.Fatalf("%d recoveries of one webhook run", len(running))
	}
	createRecovery(t, s, Recovery(other))
	dry := Recovery(w)
	dry.DryRun = true
	createRecovery(t, s, dry)
	if err := s.CancelRecovery(t.Context(), By(), "acme", w.ID, running[0].ID, time.Now()); err != nil {
		t.Fatal(err)
	}
	createRecovery(t, s, Recovery(w))
}

func recoveryLease(t *testing.T, s store.Store) {
	r := createRecovery(t, s, Recovery(create(t, s, Webhook("acme"))))
	now := r.CreatedAt.Add(time.Second)
	var (
		all   sync.WaitGroup
		mu    sync.Mutex
		holds []string
	)
	for i := range 8 { // replicas
		all.Go(func() {
			holder := fmt.Sprint(i)
			if got, ok := claim(t, s, holder, now); ok {
				mu.Lock()
				defer mu.Unlock()
				wantEqual(t, "claimed", got, r)
				holds = append(holds, holder)
			}
		})
	}
	all.Wait()
	if len(holds) != 1 {
		t.Fatalf("%v hold the same lease", holds)
	}
	holder := holds[0]
	if _, ok := claim(t, s, "late", now.Add(lease-time.Millisecond)); ok {
		t.Error("a lease was given away before it ran out")
	}
	step := r
	step.Examined, step.Queued, step.Position = 30, 20, 1<<62
	if ok, err := s.AdvanceRecovery(t.Context(), "late", step, now); err != nil || ok {
		t.Errorf("advanced without a lease: %v, %v", ok, err)
	}
	wantEqual(t, "after a stranger's work", getRecovery(t, s, r), r)

	// The holder dies; the lease runs out and the next one does the work.
	after := now.Add(lease)
	if _, ok := claim(t, s, "next", after); !ok {
		t.Fatal("a lease that ran out is not given away")
	}
	if ok, err := s.AdvanceRecovery(t.Context(), holder, step, after); err != nil || ok {
		t.Errorf("advanced on a lease that ran out: %v, %v", ok, err)
	}
	if ok, err := s.AdvanceRecovery(t.Context(), "next", step, after); err != nil || !ok {
		t.Errorf("the holder cannot advance: %v, %v", ok, err)
	}
	wantEqual(t, "after a batch", getRecovery(t, s, r), step)
	if ok, err := s.AdvanceRecovery(t.Context(), "next", step, after); err != nil || ok {
		t.Errorf("a batch was counted twice: %v, %v", ok, err)
	}

	if got, ok := claim(t, s, "third", after); !ok || got.Examined != 30 {
		t.Fatalf("a lease that was returned: %+v, %v", got, ok)
	}
	step = step.End(delivery.RecoveryFailed, "The webhook's event was changed.", after)
	if ok, err := s.AdvanceRecovery(t.Context(), "third", step, after); err != nil || !ok {
		t.Errorf("the holder cannot end it: %v, %v", ok, err)
	}
	wantEqual(t, "at the end", getRecovery(t, s, r), step)
	if _, ok := claim(t, s, "fourth", after.Add(time.Hour)); ok {
		t.Error("a recovery that has ended is claimed")
	}
}

func recoveryTurns(t *testing.T, s store.Store) {
	first := createRecovery(t, s, Recovery(create(t, s, Webhook("acme"))))
	second := Recovery(create(t, s, Webhook("globex")))
	second.CreatedAt = first.CreatedAt.Add(time.Millisecond)
	createRecovery(t, s, second)
	now := second.CreatedAt
	for i, want := range []string{first.ID, second.ID, first.ID, second.ID} {
		now = now.Add(time.Second)
		got, ok := claim(t, s, "a", now)
		if !ok || got.ID != want {
			t.Fatalf("turn %d is %s's, want %s", i, got.ID, want)
		}
		if ok, err := s.AdvanceRecovery(t.Context(), "a", got, now); err != nil || !ok {
			t.Fatalf("advance: %v, %v", ok, err)
		}
	}
}

func recoveryCancel(t *testing.T, s store.Store) {
	r := createRecovery(t, s, Recovery(create(t, s, Webhook("acme"))))
	now := r.CreatedAt.Add(time.Second)
	claimed, _ := claim(t, s, "a", now)
	for i := range 2 { // the second time it has ended already
		if err := s.CancelRecovery(t.Context(), By(), "acme", r.WebhookID, r.ID, now.Add(time.Duration(i)*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	want := r.End(delivery.RecoveryCancelled, "", now)
	wantEqual(t, "cancelled", getRecovery(t, s, r), want)
	if ok, err := s.AdvanceRecovery(t.Context(), "a", claimed.End(delivery.RecoveryDone, "", now), now); err != nil || ok {
		t.Errorf("advanced after it was cancelled: %v, %v", ok, err)
	}
	wantEqual(t, "still", getRecovery(t, s, r), want)
}

func recoveryList(t *testing.T, s store.Store) {
	w, other := create(t, s, Webhook("org"+newID())), create(t, s, Webhook("org"+newID()))
	var made []delivery.Recovery
	for range 3 {
		r := createRecovery(t, s, Recovery(w))
		if err := s.CancelRecovery(t.Context(), By(), w.OrganizationID, w.ID, r.ID, time.Now()); err != nil {
			t.Fatal(err)
		}
		made = append(made, r)
	}
	createRecovery(t, s, Recovery(other))
	slices.SortFunc(made, func(a, b delivery.Recovery) int { return strings.Compare(a.ID, b.ID) })
	list, err := s.ListRecoveries(t.Context(), w.OrganizationID, w.ID, 2)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 2 || list[0].ID != made[2].ID || list[1].ID != made[1].ID || list[0].Status != delivery.RecoveryCancelled {
		t.Errorf("listed %+v", list)
	}
	if list, err := s.ListRecoveries(t.Context(), other.OrganizationID, w.ID, 2); err != nil || len(list) != 0 {
		t.Errorf("another organization gets %+v, %v", list, err)
	}
}

func recoveryPrune(t *testing.T, s store.Store) {
	const retention = 7 * 24 * time.Hour
	now := delivery.Recordable(time.Now())
	made := func(age time.Duration, status delivery.RecoveryStatus) delivery.Recovery {
		r := Recovery(create(t, s, Webhook("acme")))
		r.CreatedAt = now.Add(-age)
		if r.Status = status; status != delivery.RecoveryRunning {
			r.EndedAt = now
		}
		return createRecovery(t, s, r)
	}
	old := made(retention+time.Minute, delivery.RecoveryDone)
	kept := []delivery.Recovery{made(retention-time.Minute, delivery.RecoveryDone), made(retention+time.Minute, delivery.RecoveryRunning)}
	wantNoError(t, s.Prune(t.Context(), now, store.Retention{Log: retention, Audit: retention}))
	if _, err := s.GetRecovery(t.Context(), "acme", old.WebhookID, old.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("an old recovery: %v", err)
	}
	for _, r := range kept {
		wantEqual(t, "kept", getRecovery(t, s, r), r)
	}
}

func standings(t *testing.T, s store.Store) {
	w := create(t, s, Webhook("acme"))
	now := time.Now()
	given := map[delivery.Status][]delivery.Attempt{}
	add := func(status delivery.Status, attempts ...delivery.Attempt) {
		for i := range attempts {
			attempts[i].DeliveryID = attempts[0].DeliveryID
			attempts[i].StartedAt, attempts[i].EndedAt = now.Add(time.Duration(i)*time.Second), now.Add(time.Duration(i)*time.Second)
		}
		given[status] = attempts
		record(t, s, attempts...)
	}
	refused := func(number int) delivery.Attempt {
		a := Failed(w, now, 0)
		a.Number, a.Outcome.Reason = number, delivery.ReasonClientError
		return a
	}
	declined := func(result delivery.Result) delivery.Attempt {
		a := Failed(w, now, 0)
		a.Number, a.Outcome = 0, delivery.Outcome{Result: result, Message: "Not now."}
		return a
	}
	test := refused(1)
	test.Test = true
	add(delivery.StatusDelivered, declined(delivery.Deferred), refused(1), Succeeded(w, now, 0))
	add(delivery.StatusFailed, refused(6))
	add(delivery.StatusSkipped, declined(delivery.Deferred), declined(delivery.Skipped))
	add(delivery.StatusHeld, refused(6), declined(delivery.Deferred))
	add("test", test)

	want := map[string]delivery.Standing{}
	ids := []string{"dlv_unknown", given["test"][0].DeliveryID}
	for status, attempts := range map[delivery.Status]int{
		delivery.StatusDelivered: 2, delivery.StatusFailed: 1, delivery.StatusSkipped: 0, delivery.StatusHeld: 1,
	} {
		id := given[status][0].DeliveryID
		ids = append(ids, id)
		want[id] = delivery.Standing{Status: status, Attempts: attempts}
	}
	got, err := s.Standings(t.Context(), ids)
	wantNoError(t, err)
	wantEqual(t, "standings", got, want)
	if got, err := s.Standings(t.Context(), nil); err != nil || len(got) != 0 {
		t.Errorf("of none: %v, %v", got, err)
	}
}

func testBody(t *testing.T, s store.Store) {
	a := Succeeded(create(t, s, Webhook("acme")), delivery.Recordable(time.Now()), time.Second)
	a.Test, a.EventSequence, a.Body = true, 0, []byte(`{"id":"evt_test_1","data":{"note":"\"ü\" \\ \u2028"}}`)
	record(t, s, a)
	wantEqual(t, "body of a test", logOf(t, s, a)[0].Body, a.Body)
}
