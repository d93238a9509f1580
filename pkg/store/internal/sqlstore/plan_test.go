package sqlstore_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/store/sqlite"
	"github.com/dialnote/webhooks/pkg/store/storetest"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// open returns a store with a webhook.
func open(t *testing.T) (*sqlite.Store, webhook.Webhook) {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "x.db"), storetest.Box(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	w := storetest.Webhook("acme")
	if err := s.Create(t.Context(), storetest.By(), w, 10); err != nil {
		t.Fatal(err)
	}
	return s, w
}

// A list of held deliveries passes over those that were held and are delivered.
// One call looks at a bounded number of rows, and the next goes on.
func TestAListThatFindsLittleEndsAndGoesOn(t *testing.T) {
	t.Parallel()
	s, w := open(t)
	s.MostLooked = 4
	begin := time.Now().Add(-time.Hour)
	var rows []delivery.Attempt
	var want string
	for i := range 35 {
		held := storetest.Succeeded(w, begin.Add(-time.Duration(i)*time.Second), 0)
		held.Number, held.Outcome = 0, delivery.Outcome{Result: delivery.Deferred, Message: "Held."}
		delivered := held
		delivered.ID, delivered.Number, delivered.StartedAt, delivered.EndedAt = held.ID+"b", 1, begin.Add(time.Minute), begin.Add(time.Minute)
		delivered.Outcome = delivery.Outcome{Result: delivery.Succeeded, StatusCode: 200}
		rows = append(rows, held)
		if i == 24 {
			want = held.DeliveryID
			continue
		}
		rows = append(rows, delivered)
	}
	if _, err := s.Record(t.Context(), delivery.DefaultPolicy(), rows); err != nil {
		t.Fatal(err)
	}
	var found []int
	page := store.Page{Limit: 3}
	for range 10 {
		list, next, err := s.ListDeliveries(t.Context(), "acme", w.ID, store.DeliveryFilter{Status: delivery.StatusHeld}, page)
		if err != nil {
			t.Fatal(err)
		}
		if found = append(found, len(list)); len(list) == 1 && list[0].ID != want {
			t.Errorf("found %s, want %s", list[0].ID, want)
		}
		if page.After = next; next == "" {
			break
		}
	}
	if got := fmt.Sprint(found); got != "[0 0 0 0 0 0 1 0 0]" { // of four rows each
		t.Errorf("found by the page: %s", got)
	}
	found = nil
	for page = (store.Page{Limit: 3}); len(found) == 0 || page.After != ""; {
		var list []store.LoggedDelivery
		var err error
		if list, page.After, err = s.ListDeliveries(t.Context(), "acme", w.ID, store.DeliveryFilter{EventType: event.NoteCreated}, page); err != nil {
			t.Fatal(err)
		}
		found = append(found, len(list))
	}
	if want := make([]int, (len(rows)+3)/4); !slices.Equal(found, want) {
		t.Errorf("of a type that no row has: %v, want %v", found, want)
	}
}

// What no index serves is looked for among so many entries at a time.
func TestAnAuditLogThatHasLittleEndsAndGoesOn(t *testing.T) {
	t.Parallel()
	s, w := open(t)
	s.MostLooked = 4
	for i := range 10 {
		by := storetest.By()
		if i == 0 { // the oldest but for the creation
			by.Kind = audit.Portal
		}
		if err := s.AddEntry(t.Context(), audit.Redelivered(by, "acme", w.ID, "dlv_1", time.Now())); err != nil {
			t.Fatal(err)
		}
	}
	var found []int
	for page := (store.Page{Limit: 3}); len(found) == 0 || page.After != ""; {
		var list []audit.Entry
		var err error
		if list, page.After, err = s.ListEntries(t.Context(), "acme", audit.Filter{ActorKind: audit.Portal}, page); err != nil {
			t.Fatal(err)
		}
		found = append(found, len(list))
	}
	if got := fmt.Sprint(found); got != "[0 0 1]" { // of eleven entries
		t.Errorf("found by the page: %s", got)
	}
}

// SQLite plans by its rules as long as the tables are not analyzed, so the plan
// is the same for a million rows: an index has the rows in the order of the page,
// and reading ends with the page.
func TestPlansOfTheLog(t *testing.T) {
	t.Parallel()
	s, w := open(t)
	for i := range 3 {
		a := storetest.Succeeded(w, time.Now().Add(time.Duration(i)*time.Second), 0)
		if _, err := s.Record(t.Context(), delivery.DefaultPolicy(), []delivery.Attempt{a}); err != nil {
			t.Fatal(err)
		}
	}
	_, after, err := s.ListDeliveries(t.Context(), "acme", w.ID, store.DeliveryFilter{}, store.Page{Limit: 1})
	if err != nil || after == "" {
		t.Fatalf("no cursor: %q, %v", after, err)
	}
	since, until := time.Now().Add(-time.Hour), time.Now()
	for _, tc := range []struct {
		filter store.DeliveryFilter
		want   string
	}{
		{store.DeliveryFilter{}, "INDEX attempts_newest (webhook_id=?"},
		{store.DeliveryFilter{Since: since, Until: until}, "INDEX attempts_newest (webhook_id=? AND started_at>? AND started_at<?)"},
		{store.DeliveryFilter{Status: delivery.StatusDelivered}, "INDEX attempts_newest (webhook_id=?"},
		{store.DeliveryFilter{EventType: event.NoteCreated}, "INDEX attempts_newest (webhook_id=?"},
		{store.DeliveryFilter{Status: delivery.StatusFailed}, "INDEX attempts_open (webhook_id=?"},
		{store.DeliveryFilter{Status: delivery.StatusHeld, Since: since}, "INDEX attempts_open (webhook_id=? AND started_at>?"},
		{store.DeliveryFilter{Message: "certificate"}, "INDEX attempts_open (webhook_id=?"},
		{store.DeliveryFilter{EventID: "evt_1"}, "INDEX attempts_delivery (delivery_id=?"},
		{store.DeliveryFilter{DeliveryID: "dlv_1", Status: delivery.StatusFailed}, "INDEX attempts_delivery (delivery_id=?"},
	} {
		for _, cursor := range []string{"", after} {
			query, args, span, spanArgs, err := s.CandidatesQuery(w.ID, tc.filter, cursor)
			if err != nil {
				t.Fatal(err)
			}
			explain := func(query string, args []any) {
				var plan []struct {
					ID, Parent, NotUsed int
					Detail              string
				}
				if err := s.Reader.SelectContext(t.Context(), &plan, "EXPLAIN QUERY PLAN "+query, args...); err != nil {
					t.Fatal(err)
				}
				text := fmt.Sprint(plan)
				sorts := strings.Contains(text, "TEMP B-TREE") && tc.filter.EventID == "" && tc.filter.DeliveryID == ""
				if cursor == "" && !strings.Contains(text, tc.want) || !strings.Contains(text, tc.want[:20]) || sorts {
					t.Errorf("%+v after %q: %s", tc.filter, cursor, text)
				}
			}
			explain(query, args)
			if span != "" {
				explain(span, spanArgs)
			}
		}
	}
}
