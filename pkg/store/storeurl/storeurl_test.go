package storeurl_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/dialnote/webhooks/pkg/pgtest"
	"github.com/dialnote/webhooks/pkg/store/storetest"
	"github.com/dialnote/webhooks/pkg/store/storeurl"
)

func TestOpenChoosesByScheme(t *testing.T) {
	t.Parallel()
	for _, databaseURL := range []string{"sqlite://" + filepath.Join(t.TempDir(), "x.db"), pgtest.Schema(t)} {
		s, err := storeurl.Open(t.Context(), databaseURL, storetest.Box(t))
		if err != nil {
			t.Fatalf("%s: %v", databaseURL, err)
		}
		if err := s.Ping(t.Context()); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestOpenRefusesOtherURLs(t *testing.T) {
	t.Parallel()
	for _, databaseURL := range []string{"", "x.db", "sqlite:x.db", "sqlite://", "mysql://localhost/x", "Postgres"} {
		if s, err := storeurl.Open(t.Context(), databaseURL, storetest.Box(t)); !errors.Is(err, storeurl.ErrUnknownURL) || s != nil {
			t.Errorf("%q: %v, %v", databaseURL, s, err)
		}
	}
	if s, err := storeurl.Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "none", "x.db"), storetest.Box(t)); err == nil || s != nil {
		t.Errorf("a store beside an error: %v, %v", s, err)
	}
}
