package storetest

import (
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/store"
)

// The log has a bound: what is oldest goes first, and the last day stays.
func logIsShortened(t *testing.T, s store.Store) {
	t.Helper()
	const day = 24 * time.Hour
	now := time.Now().UTC().Truncate(day).Add(12 * time.Hour)
	if bytes, oldest, err := s.MeasureLog(t.Context()); err != nil || bytes <= 0 || !oldest.IsZero() {
		t.Errorf("an empty log takes %d bytes, since %s; %v", bytes, oldest, err)
	}
	wantNoError(t, s.Prune(t.Context(), now.Add(-5*day), store.Retention{Log: 30 * day, Audit: 30 * day})) // makes the days
	wantNoError(t, s.Prune(t.Context(), now, store.Retention{Log: 30 * day, Audit: 30 * day}))
	w := create(t, s, Webhook("acme"))
	old, young := Succeeded(w, now.Add(-4*day), time.Second), Succeeded(w, now.Add(-time.Hour), time.Second)
	record(t, s, old, young)
	bytes, oldest, err := s.MeasureLog(t.Context())
	if err != nil || !oldest.Equal(old.StartedAt.Truncate(day)) {
		t.Errorf("the log takes %d bytes, since %s; %v", bytes, oldest, err)
	}
	if shortened, err := s.ShortenLog(t.Context(), now, bytes); shortened || err != nil {
		t.Errorf("a log within its bound is shortened: %t, %v", shortened, err)
	}
	if shortened, err := s.ShortenLog(t.Context(), now, 1); !shortened || err != nil {
		t.Errorf("a log over its bound is not shortened: %v", err)
	}
	if _, oldest, err = s.MeasureLog(t.Context()); err != nil || !oldest.Equal(young.StartedAt.Truncate(day)) {
		t.Errorf("the oldest attempt began at %s, want %s; %v", oldest, young.StartedAt, err)
	}
	if shortened, err := s.ShortenLog(t.Context(), now, 1); shortened || err != nil {
		t.Errorf("the last day is removed: %t, %v", shortened, err)
	}
}
