package storetest

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/webhook"
)

func organizations(t *testing.T, s store.Store) {
	t.Helper()
	want := []string{"Acme", "acme", "b-1", "b_1"}
	for _, org := range []string{"b_1", "acme", "b-1", "Acme", "acme"} {
		if err := s.Create(t.Context(), By(), Webhook(org), 10); err != nil {
			t.Fatal(err)
		}
	}
	gone := Webhook("gone")
	if err := s.Create(t.Context(), By(), gone, 10); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Delete(t.Context(), By(), "gone", gone.ID, 0); err != nil {
		t.Fatal(err)
	}
	var all []string
	for after := ""; ; {
		some, err := s.Organizations(t.Context(), after, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(some) == 0 {
			break
		}
		all = append(all, some...)
		after = some[len(some)-1]
	}
	slices.Sort(want)
	if !slices.Equal(all, want) {
		t.Errorf("%v, want %v", all, want)
	}
	refs(t, s)
}

// refs reads what is selected, two at a time.
func refs(t *testing.T, s store.Store) {
	t.Helper()
	off := Webhook("acme")
	off.Health.AutoDisabled, off.Health.FailureCount = webhook.DisabledForFailures, 3
	if err := s.Create(t.Context(), By(), off, 10); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		of   store.Selection
		want []string // organizations
	}{
		{store.Selection{}, []string{"Acme", "acme", "acme", "acme", "b-1", "b_1"}},
		{store.Selection{OrganizationID: "acme"}, []string{"acme", "acme", "acme"}},
		{store.Selection{AutoDisabled: true}, []string{"acme"}},
		{store.Selection{OrganizationID: "b_1", AutoDisabled: true}, nil},
	} {
		var got []string
		seen := map[string]bool{}
		for after := (store.Ref{}); ; {
			some, err := s.Refs(t.Context(), c.of, after, 2)
			if err != nil {
				t.Fatal(err)
			}
			if len(some) == 0 {
				break
			}
			for _, ref := range some {
				got, seen[ref.ID] = append(got, ref.OrganizationID), true
				after = ref
			}
		}
		if !slices.Equal(got, c.want) || len(seen) != len(got) {
			t.Errorf("%+v: %v, want %v", c.of, got, c.want)
		}
	}
}

func engine(t *testing.T, s store.Store) {
	t.Helper()
	name, err := s.Engine(t.Context())
	if err != nil || !strings.HasPrefix(name, "PostgreSQL 1") && !strings.HasPrefix(name, "SQLite 3.") {
		t.Errorf("%q, %v", name, err)
	}
	before := time.Now().Add(-time.Millisecond) // SQLite's precision
	at, err := s.Clock(t.Context())
	if after := time.Now(); err != nil || at.Before(before) || at.After(after) {
		t.Errorf("%s by the database's clock, between %s and %s here; %v", at, before, after, err)
	}
	schema, err := s.Schema(t.Context())
	if err != nil || schema.Database == 0 || schema.Database != schema.Program || len(schema.Pending) > 0 || schema.Check() != nil {
		t.Errorf("%+v, %v", schema, err)
	}
}

// However many services ask first, they get one id.
func installation(t *testing.T, s store.Store) {
	t.Helper()
	const callers = 8
	ids := make([]string, callers)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() {
			var err error
			if ids[i], err = s.Installation(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	again, err := s.Installation(t.Context())
	if err != nil || again == "" || len(slices.Compact(append(ids, again))) != 1 {
		t.Errorf("ids %v, then %q, %v", ids, again, err)
	}
}
