package postgres_test

import (
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/pgtest"
	"github.com/dialnote/webhooks/pkg/secretbox"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/store/postgres"
	"github.com/dialnote/webhooks/pkg/store/storetest"
)

func TestServicesThatStartTogetherMigrateOnce(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Schema(t)
	var services sync.WaitGroup
	for range 8 {
		services.Go(func() {
			s, err := postgres.Open(t.Context(), dsn, storetest.Box(t))
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	services.Wait()
	s := open(t, dsn)
	if got := scalar[int](t, s.Reader, `SELECT count(*) FROM schema_migrations WHERE version = 1`); got != 1 {
		t.Errorf("the first migration was noted %d times", got)
	}
	if got := scalar[int](t, s.Reader, `SELECT count(*) FROM pg_inherits WHERE inhparent = 'attempts'::regclass`); got != 6 {
		t.Errorf("%d partitions, want five days and the default", got)
	}
}

func TestRefusesAHistoryThatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	for name, statement := range map[string]string{
		"newer":   `INSERT INTO schema_migrations SELECT version + 1000, 'x', 'x', 'x' FROM schema_migrations`,
		"changed": `UPDATE schema_migrations SET checksum = 'x'`,
	} {
		dsn := pgtest.Schema(t)
		execute(t, open(t, dsn).Writer, statement)
		_, err := postgres.Open(t.Context(), dsn, storetest.Box(t))
		if err == nil || errors.Is(err, store.ErrNewerDatabase) != (name == "newer") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A database that a newer program has only added to goes on to serve this one.
func TestANewerDatabaseMayServe(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Schema(t)
	s := open(t, dsn)
	now, err := s.Schema(t.Context())
	if err != nil || now.Database != now.Program || len(now.Pending) > 0 {
		t.Fatalf("%+v, %v", now, err)
	}
	next := now.Program + 1
	for oldest, want := range map[int]error{now.Program: nil, next: store.ErrNewerDatabase} {
		statements := []string{
			`DELETE FROM schema_migrations WHERE version = ` + strconv.Itoa(next), `DELETE FROM schema_serves WHERE version = ` + strconv.Itoa(next),
			`INSERT INTO schema_migrations VALUES (` + strconv.Itoa(next) + `, 'later.sql', 'x', 'x')`,
			`INSERT INTO schema_serves VALUES (` + strconv.Itoa(next) + `, ` + strconv.Itoa(oldest) + `)`,
		}
		for _, statement := range statements {
			if _, err := s.Writer.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := s.Schema(t.Context()); err != nil || got.Database != next || got.Serves != oldest || !errors.Is(got.Check(), want) {
			t.Errorf("%+v, %v", got, err)
		}
		again, err := postgres.Open(t.Context(), dsn, storetest.Box(t))
		if !errors.Is(err, want) {
			t.Errorf("a database that serves from %d on: %v, want %v", oldest, err, want)
		}
		if err == nil {
			_ = again.Close()
		}
	}
}

func TestSecretsStandNowhereInPlain(t *testing.T) {
	t.Parallel()
	s := open(t, pgtest.Schema(t))
	secret := storetest.FillWithSecrets(t, s)
	var tables []string
	const list = `SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'`
	if err := s.Reader.SelectContext(t.Context(), &tables, list); err != nil {
		t.Fatal(err)
	}
	rows := 0
	for _, table := range tables {
		var texts []string
		// encode(…, 'escape') shows what a bytea holds.
		if err := s.Reader.SelectContext(t.Context(), &texts, `SELECT t::text || coalesce(encode(`+bytesOf(table)+`, 'escape'), '') FROM `+table+` t`); err != nil {
			t.Fatal(err)
		}
		for _, text := range texts {
			rows++
			if strings.Contains(text, secret) {
				t.Errorf("%s holds the secret: %s", table, text)
			}
		}
	}
	if rows < 15 {
		t.Errorf("looked at %d rows only", rows)
	}
}

// bytesOf returns the column of a table that could hold a secret as bytes.
func bytesOf(table string) string {
	switch {
	case table == "webhooks":
		return "secret || headers"
	case table == "idempotency_keys":
		return "body"
	case table == "zapier_keys":
		return "digest || sealed"
	case table == "api_keys", strings.HasPrefix(table, "portal_"):
		return "digest"
	case strings.HasPrefix(table, "attempts"):
		return "response_body"
	}
	return "NULL::bytea"
}

func TestAttemptsOutsideAllPartitionsMoveIntoTheirsLater(t *testing.T) {
	t.Parallel()
	s := open(t, pgtest.Schema(t))
	w := storetest.Webhook("acme")
	if err := s.Create(t.Context(), storetest.By(), w, 10); err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(20 * 24 * time.Hour)
	a := storetest.Succeeded(w, later, time.Second)
	if _, err := s.Record(t.Context(), delivery.DefaultPolicy(), []delivery.Attempt{a}); err != nil {
		t.Fatal(err)
	}
	const caught = `SELECT count(*) FROM attempts_default`
	if got := scalar[int](t, s.Reader, caught); got != 1 {
		t.Fatalf("the default partition caught %d", got)
	}
	var replicas sync.WaitGroup
	for range 4 {
		replicas.Go(func() {
			if err := s.EnsurePartitions(t.Context(), later); err != nil {
				t.Error(err)
			}
		})
	}
	replicas.Wait()
	partition := later.UTC().Format("attempts_20060102")
	if got := scalar[int](t, s.Reader, `SELECT count(*) FROM `+partition); got != 1 || scalar[int](t, s.Reader, caught) != 0 {
		t.Errorf("%s holds %d", partition, got)
	}
	if logged, err := s.Attempts(t.Context(), "acme", w.ID, a.DeliveryID); err != nil || len(logged) != 1 {
		t.Errorf("log: %v, %v", logged, err)
	}
}

func TestABackupDoesNotKeepAServiceFromStarting(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Schema(t)
	first := open(t, dsn)
	tomorrow := time.Now().UTC().AddDate(0, 0, 1).Format("attempts_20060102")
	execute(t, first.Writer, `DROP TABLE `+tomorrow)
	backup, err := first.Writer.BeginTxx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := backup.ExecContext(t.Context(), `LOCK TABLE attempts IN ACCESS SHARE MODE`); err != nil {
		t.Fatal(err)
	}
	second := open(t, dsn)
	w := storetest.Webhook("acme")
	if err := second.Create(t.Context(), storetest.By(), w, 10); err != nil {
		t.Fatal(err)
	}
	if _, err := second.Record(t.Context(), delivery.DefaultPolicy(), []delivery.Attempt{storetest.Succeeded(w, time.Now(), time.Second)}); err != nil {
		t.Error(err)
	}
	if err := backup.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := second.Prune(t.Context(), time.Now(), store.Retention{Log: time.Hour, Audit: time.Hour}); err != nil {
		t.Error(err)
	}
	if !scalar[bool](t, second.Reader, `SELECT to_regclass($1) IS NOT NULL`, tomorrow) {
		t.Errorf("%s was not made afterwards", tomorrow)
	}
}

func TestPruneDropsWholeDays(t *testing.T) {
	t.Parallel()
	s := open(t, pgtest.Schema(t))
	now := time.Now()
	const partition = `SELECT to_regclass($1) IS NOT NULL`
	day := func(back int) string { return now.UTC().AddDate(0, 0, -back).Format("attempts_20060102") }
	if err := s.EnsurePartitions(t.Context(), now.AddDate(0, 0, -10)); err != nil {
		t.Fatal(err)
	}
	if err := s.Prune(t.Context(), now, store.Retention{Log: 7 * 24 * time.Hour, Audit: 7 * 24 * time.Hour}); err != nil {
		t.Fatal(err)
	}
	// Of the seventh day back the younger part is still within the retention.
	for back, want := range map[int]bool{11: false, 8: false, 7: true, 1: true, 0: true, -3: true} {
		if got := scalar[bool](t, s.Reader, partition, day(back)); got != want {
			t.Errorf("%s, %d days back: there %t, want %t", day(back), back, got, want)
		}
	}
}

func BenchmarkRecord(b *testing.B) {
	server, err := pgtest.Start(pgtest.Options{Durable: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := server.Stop(); err != nil {
			b.Error(err)
		}
	})
	storetest.BenchmarkRecord(b, func(b *testing.B) store.Store { b.Helper(); return open(b, server.DSN()) })
}

func scalar[T any](t *testing.T, db *sqlx.DB, query string, args ...any) T {
	t.Helper()
	var v T
	if err := db.GetContext(t.Context(), &v, query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

func execute(t *testing.T, db *sqlx.DB, statement string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// reopener returns what opens one database, empty at first, again and again.
func reopener(t *testing.T) func(*testing.T, secretbox.Box) *postgres.Store {
	t.Helper()
	dsn := pgtest.Schema(t)
	return func(t *testing.T, box secretbox.Box) *postgres.Store {
		t.Helper()
		s, err := postgres.Open(t.Context(), dsn, box)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
}

func TestResealingKeepsNewerTexts(t *testing.T) {
	t.Parallel()
	reopen := reopener(t)
	storetest.KeysMeanwhile(t, func(t *testing.T, box secretbox.Box) store.Store { t.Helper(); return reopen(t, box) })
}

func TestKeysChange(t *testing.T) {
	t.Parallel()
	reopen := reopener(t)
	look := func(t *testing.T, header []byte) (found []string) {
		t.Helper()
		db := reopen(t, storetest.Box(t)).Reader
		var columns []struct{ Table, Column string }
		const list = `SELECT c.relname AS "table", a.attname AS "column" FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
			WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND a.atttypid = 'bytea'::regtype AND NOT a.attisdropped`
		if err := db.SelectContext(t.Context(), &columns, list); err != nil {
			t.Fatal(err)
		}
		for _, c := range columns {
			var n int
			query := `SELECT count(*) FROM "` + c.Table + `" WHERE substr("` + c.Column + `", 1, $1) = $2`
			if err := db.GetContext(t.Context(), &n, query, len(header), header); err != nil {
				t.Fatal(err)
			}
			if n > 0 {
				found = append(found, c.Table+"."+c.Column)
			}
		}
		return found
	}
	storetest.Keys(t, func(t *testing.T, box secretbox.Box) store.Store { t.Helper(); return reopen(t, box) }, look)
}
