package storeurl_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/dialnote/webhooks/pkg/pgtest"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/store/storetest"
	"github.com/dialnote/webhooks/pkg/store/storeurl"
)

// Current changes no schema.
func TestCurrentDoesNotMigrate(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "x.db")
	if _, err := storeurl.Attach(t.Context(), "sqlite://"+file, storetest.Box(t)); err == nil {
		t.Error("a file that was not there was attached")
	}
	for _, databaseURL := range []string{pgtest.Schema(t), "sqlite://" + file} {
		if databaseURL[0] == 's' {
			if s, err := storeurl.Open(t.Context(), databaseURL, storetest.Box(t)); err != nil || s.Close() != nil {
				t.Fatal(err)
			}
		} else {
			s, err := storeurl.Attach(t.Context(), databaseURL, storetest.Box(t))
			if err != nil {
				t.Fatal(err)
			}
			schema, err := s.Schema(t.Context())
			if err != nil || schema.Database != 0 || len(schema.Pending) != schema.Program || schema.Check() != nil {
				t.Errorf("empty: %+v, %v", schema, err)
			}
			if _, err := storeurl.Current(t.Context(), databaseURL, storetest.Box(t)); !errors.Is(err, store.ErrOlderDatabase) {
				t.Errorf("empty: %v", err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if s, err := storeurl.Open(t.Context(), databaseURL, storetest.Box(t)); err != nil || s.Close() != nil {
				t.Fatal(err)
			}
		}
		s, err := storeurl.Current(t.Context(), databaseURL, storetest.Box(t))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := storeurl.Current(t.Context(), "mysql://x", storetest.Box(t)); !errors.Is(err, storeurl.ErrUnknownURL) {
		t.Error(err)
	}
}
