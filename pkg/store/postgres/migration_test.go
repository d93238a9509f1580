package postgres_test

import (
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/pgtest"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/store/postgres"
	"github.com/dialnote/webhooks/pkg/store/storetest"
)

// The eighth migration gives other indexes to the log's partitions, and to those
// that are made later.
func TestTheLogOutlivesItsNewIndexes(t *testing.T) {
	t.Parallel()
	dsn, box := pgtest.Schema(t), storetest.Box(t)
	older, err := postgres.Attach(t.Context(), dsn, box)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = older.Close() })
	if err := older.Migrate(t.Context(), storetest.MigrationsBefore(t, "0008")); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	if err := older.EnsurePartitions(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	storetest.LogOutlives(t, older, older.Reader, older.Writer, "boolean", func() store.Store {
		if n := scalar[int](t, older.Reader, `SELECT count(*) FROM attempts_default`); n != 10 {
			t.Errorf("%d rows belong to no day's partition", n)
		}
		s, err := postgres.Open(t.Context(), dsn, box)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	})
	if err := older.EnsurePartitions(t.Context(), now.AddDate(0, 0, 40)); err != nil {
		t.Fatal(err)
	}
	const indexes = `SELECT count(*) FROM pg_inherits p JOIN pg_index x ON x.indrelid = p.inhrelid WHERE p.inhparent = 'attempts'::regclass`
	const attached = ` AND x.indisvalid AND EXISTS (SELECT 1 FROM pg_inherits i WHERE i.inhrelid = x.indexrelid)`
	partitions := scalar[int](t, older.Reader, `SELECT count(*) FROM pg_inherits WHERE inhparent = 'attempts'::regclass`)
	if all, own := scalar[int](t, older.Reader, indexes), scalar[int](t, older.Reader, indexes+attached); partitions != 11 || all != 4*partitions || own != all {
		t.Errorf("%d partitions have %d indexes, %d of them the log's", partitions, all, own)
	}
}
