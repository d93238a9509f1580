package postgres_test

import (
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/pgtest"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/store/postgres"
	"github.com/dialnote/webhooks/pkg/store/storetest"
)

func BenchmarkLog(b *testing.B) {
	server, err := pgtest.Start(pgtest.Options{Settings: map[string]string{"max_wal_size": "4GB"}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := server.Stop(); err != nil {
			b.Error(err)
		}
	})
	var s *postgres.Store
	storetest.BenchmarkLog(b, func(b *testing.B) store.Store {
		b.Helper()
		s = open(b, server.DSN())
		for back := range 8 {
			if err := s.EnsurePartitions(b.Context(), time.Now().AddDate(0, 0, -back)); err != nil {
				b.Fatal(err)
			}
		}
		return s
	}, func(b *testing.B, _ store.Store) {
		b.Helper()
		for _, statement := range []string{`SET statement_timeout = 0`, `VACUUM ANALYZE attempts`} {
			if _, err := s.Writer.ExecContext(b.Context(), statement); err != nil {
				b.Fatal(err)
			}
		}
	})
}
