package storetest

import (
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/quota"
	"github.com/dialnote/webhooks/pkg/store"
)

func takes(t *testing.T, s store.Store, holder string, now time.Time) bool {
	t.Helper()
	ok, err := s.TakeCounting(t.Context(), holder, now, now.Add(10*time.Second))
	wantNoError(t, err)
	return ok
}

// One replica at a time counts, and another one when its lease has run out.
func usageLease(t *testing.T, s store.Store) {
	t.Helper()
	now := time.Now()
	for _, c := range []struct {
		what, holder string
		at           time.Time
		want         bool
	}{
		{"the first", "a", now, true},
		{"another one", "b", now.Add(9 * time.Second), false},
		{"the same again", "a", now.Add(9 * time.Second), true},
		{"another one, of the first lease", "b", now.Add(11 * time.Second), false},
		{"another one after the lease", "b", now.Add(19 * time.Second), true},
		{"the first, which lost it", "a", now.Add(20 * time.Second), false},
	} {
		if got := takes(t, s, c.holder, c.at); got != c.want {
			t.Errorf("%s: %t", c.what, got)
		}
	}
	part := store.CountedPart{Stream: "EVENTS", To: 5, Until: now, Bytes: []store.CountedBytes{{OrganizationID: "acme", Stream: "EVENTS", Stored: now, Bytes: 7}}}
	if done, err := s.Count(t.Context(), "a", part); done || err != nil {
		t.Errorf("a replica that lost the lease counts: %v", err)
	}
	if _, done, err := s.ForgetUsage(t.Context(), "a", "EVENTS", now); done || err != nil {
		t.Errorf("a replica that lost the lease forgets: %v", err)
	}
	if done, err := s.NoteOver(t.Context(), "a", quota.Events, map[string]int64{"acme": 1}); done || err != nil {
		t.Errorf("a replica that lost the lease notes: %v", err)
	}
	account, err := s.Counted(t.Context())
	wantNoError(t, err)
	if len(account.Positions)+len(account.Bytes) > 0 {
		t.Errorf("counted: %+v", account)
	}
}

// Each part of a stream counts once, by the hours in which it was stored.
func usageCounts(t *testing.T, s store.Store) {
	t.Helper()
	hour := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	takes(t, s, "a", hour)
	count := func(want bool, part store.CountedPart) {
		t.Helper()
		if done, err := s.Count(t.Context(), "a", part); done != want || err != nil {
			t.Errorf("count %d to %d: %t, %v", part.From, part.To, done, err)
		}
	}
	bytes := func(org, stream string, at time.Time, n int64) store.CountedBytes {
		return store.CountedBytes{OrganizationID: org, Stream: stream, Stored: at, Bytes: n}
	}
	first := store.CountedPart{Stream: "EVENTS", To: 3, Until: hour.Add(time.Hour), Bytes: []store.CountedBytes{
		bytes("acme", "EVENTS", hour.Add(time.Minute), 10), bytes("other", "EVENTS", hour.Add(time.Minute), 1), bytes("acme", "EVENTS", hour.Add(59*time.Minute), 20),
	}}
	count(true, first)
	count(false, first) // the same again
	count(true, store.CountedPart{Stream: "EVENTS", From: 3, To: 9, Until: hour.Add(2 * time.Hour), Bytes: []store.CountedBytes{bytes("acme", "EVENTS", hour.Add(time.Hour), 5)}})
	count(true, store.CountedPart{Stream: "MORE", To: 4, Bytes: []store.CountedBytes{
		bytes("acme", "MORE", hour, 100), bytes("acme", "EVENTS", hour, -4), bytes("acme", "EVENTS", hour.Add(-time.Hour), -1000),
	}})
	account, err := s.Counted(t.Context())
	wantNoError(t, err)
	wantEqual(t, "the account", account, store.Account{
		Positions: map[string]uint64{"EVENTS": 9, "MORE": 4}, Bytes: map[string]int64{"acme": 131, "other": 1},
	})
	usage, err := s.OrganizationUsage(t.Context(), "acme")
	wantNoError(t, err)
	wantEqual(t, "the usage", usage, quota.Usage{
		Until: hour.Add(2 * time.Hour), Hours: []quota.Hour{{Start: hour, Bytes: 126}, {Start: hour.Add(time.Hour), Bytes: 5}},
	})
	freed, done, err := s.ForgetUsage(t.Context(), "a", "EVENTS", hour.Add(time.Hour+time.Minute))
	wantNoError(t, err)
	wantEqual(t, "freed", freed, map[string]int64{"acme": 26, "other": 1})
	if usage, err = s.OrganizationUsage(t.Context(), "acme"); err != nil || !done || usage.Total() != 105 {
		t.Errorf("%+v, %v", usage, err)
	}
	if usage, err = s.OrganizationUsage(t.Context(), "nobody"); err != nil || usage.Total() != 0 {
		t.Errorf("%+v, %v", usage, err)
	}
}

// The organizations that have reached a quota are listed for every replica.
func usageOver(t *testing.T, s store.Store) {
	t.Helper()
	now := time.Now()
	takes(t, s, "a", now)
	w, other := create(t, s, Webhook("acme")), create(t, s, Webhook("other"))
	record(t, s, held(w, 1, now), held(w, 2, now), held(other, 1, now))
	over, err := s.WaitingOver(t.Context(), 2)
	wantNoError(t, err)
	wantEqual(t, "who has much that waits", over, map[string]int64{"acme": 2})
	for _, note := range []struct {
		name quota.Name
		over map[string]int64
	}{
		{quota.Events, map[string]int64{"early": 5, "acme": 6}}, {quota.Waiting, map[string]int64{"acme": 2048}}, {quota.Events, map[string]int64{"acme": 7}},
	} {
		if done, err := s.NoteOver(t.Context(), "a", note.name, note.over); !done || err != nil {
			t.Error(done, err)
		}
	}
	list, err := s.Over(t.Context())
	wantNoError(t, err)
	wantEqual(t, "who has reached a quota", list, []store.OverQuota{
		{OrganizationID: "acme", Quota: quota.Events, Bytes: 7}, {OrganizationID: "acme", Quota: quota.Waiting, Bytes: 2048},
	})
}
