package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/store/storetest"
)

func BenchmarkLog(b *testing.B) {
	storetest.BenchmarkLog(b, func(b *testing.B) store.Store {
		b.Helper()
		return open(b, filepath.Join(b.TempDir(), "x.db"))
	}, func(*testing.B, store.Store) {}) // SQLite is not analyzed
}
