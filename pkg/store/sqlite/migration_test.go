package sqlite_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/store/sqlite"
	"github.com/dialnote/webhooks/pkg/store/storetest"
)

func TestTheLogOutlivesItsNewIndexes(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	box := storetest.Box(t)
	older, err := sqlite.Attach(t.Context(), path, box)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = older.Close() })
	if err := older.Migrate(t.Context(), storetest.MigrationsBefore(t, "0008")); err != nil {
		t.Fatal(err)
	}
	storetest.LogOutlives(t, older, older.Reader, older.Writer, "integer", func() store.Store {
		s, err := sqlite.Open(t.Context(), path, box)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	})
	var broken []string
	if err := older.Reader.SelectContext(t.Context(), &broken, `PRAGMA integrity_check`); err != nil || len(broken) != 1 || broken[0] != "ok" {
		t.Error(broken, err)
	}
}
