package sqlite_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/secretbox"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/store/sqlite"
	"github.com/dialnote/webhooks/pkg/store/storetest"
)

func TestServicesThatStartTogetherMigrateOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	var services sync.WaitGroup
	for range 8 {
		services.Go(func() {
			s, err := sqlite.Open(t.Context(), path, storetest.Box(t))
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
	s := open(t, path)
	var steps int
	if err := s.Reader.GetContext(t.Context(), &steps, `SELECT count(*) FROM schema_migrations WHERE version = 1`); err != nil || steps != 1 {
		t.Errorf("%d migrations noted, %v", steps, err)
	}
}

func TestRefusesAHistoryThatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	for name, statement := range map[string]string{
		"newer":   `INSERT INTO schema_migrations SELECT version + 1000, 'x', 'x', 'x' FROM schema_migrations`,
		"changed": `UPDATE schema_migrations SET checksum = 'x'`,
	} {
		path := filepath.Join(t.TempDir(), "x.db")
		if _, err := open(t, path).Writer.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
		_, err := sqlite.Open(t.Context(), path, storetest.Box(t))
		if err == nil || errors.Is(err, store.ErrNewerDatabase) != (name == "newer") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A database that a newer program has only added to goes on to serve this one.
func TestANewerDatabaseMayServe(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	s := open(t, path)
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
		again, err := sqlite.Open(t.Context(), path, storetest.Box(t))
		if !errors.Is(err, want) {
			t.Errorf("a database that serves from %d on: %v, want %v", oldest, err, want)
		}
		if err == nil {
			_ = again.Close()
		}
	}
}

func TestOpensDurableAndPrivate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	s := open(t, path)
	for pragma, want := range map[string]string{
		"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000",
	} {
		var got string
		if err := s.Writer.GetContext(t.Context(), &got, `PRAGMA `+pragma); err != nil || got != want {
			t.Errorf("%s = %s, want %s (%v)", pragma, got, want, err)
		}
	}
	if _, err := s.Reader.ExecContext(t.Context(), `DELETE FROM webhooks`); err == nil {
		t.Error("a reader may write")
	}
	for _, file := range []string{path, path + "-wal"} {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", file, info.Mode(), err)
		}
	}
}

func TestTwoProcessesShareAFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	box := storetest.Box(t)
	var stores []*sqlite.Store
	for range 2 {
		s, err := sqlite.Open(t.Context(), path, box)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		stores = append(stores, s)
	}
	w := storetest.Webhook("acme")
	if err := stores[0].Create(t.Context(), storetest.By(), w, 10); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	policy := delivery.DefaultPolicy()
	policy.AutoDisableAfter = 1000
	var both sync.WaitGroup
	for i, s := range stores {
		both.Go(func() {
			for j := range 20 {
				a := storetest.Failed(w, now.Add(time.Duration(2*j+i)*time.Minute), time.Second)
				if _, err := s.Record(t.Context(), policy, []delivery.Attempt{a}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	both.Wait()
	if got, err := stores[1].Get(t.Context(), "acme", w.ID); err != nil || got.Health.FailureCount != 40 {
		t.Errorf("failure count %d, %v", got.Health.FailureCount, err)
	}
}

func TestAFileThatCannotBeOpenedIsUnavailable(t *testing.T) {
	t.Parallel()
	for _, path := range []string{filepath.Join(t.TempDir(), "none", "x.db"), t.TempDir()} {
		if _, err := sqlite.Open(t.Context(), path, storetest.Box(t)); !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: got %v, want Unavailable", path, err)
		}
	}
}

func TestAFileThatIsNoDatabaseIsAnError(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), path, storetest.Box(t)); err == nil || fault.Is(err, fault.Unavailable) {
		t.Errorf("got %v, want an internal error", err)
	}
}

func TestSecretsStandNowhereInPlain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	s := open(t, path)
	secret := storetest.FillWithSecrets(t, s)
	size := 0
	for _, file := range []string{path, path + "-wal"} {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		size += len(content)
		if bytes.Contains(content, []byte(secret)) {
			t.Errorf("%s holds the secret", file)
		}
	}
	if size < 10_000 {
		t.Errorf("looked at %d bytes only", size)
	}
}

func BenchmarkRecord(b *testing.B) {
	storetest.BenchmarkRecord(b, func(b *testing.B) store.Store {
		b.Helper()
		return open(b, filepath.Join(b.TempDir(), "x.db"))
	})
}

// reopener returns what opens one database, empty at first, again and again.
func reopener(t *testing.T) func(*testing.T, secretbox.Box) *sqlite.Store {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.db")
	return func(t *testing.T, box secretbox.Box) *sqlite.Store {
		t.Helper()
		s, err := sqlite.Open(t.Context(), path, box)
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
		const list = `SELECT m.name AS "table", c.name AS "column" FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'`
		if err := db.SelectContext(t.Context(), &columns, list); err != nil {
			t.Fatal(err)
		}
		for _, c := range columns {
			var n int
			if err := db.GetContext(t.Context(), &n, `SELECT count(*) FROM "`+c.Table+`" WHERE substr("`+c.Column+`", 1, ?) = ?`, len(header), header); err != nil {
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

// A long reader makes the write-ahead log grow: SQLite cannot begin it anew while
// someone reads it. Afterwards the file is cut.
func TestTheLogOfWritesIsCut(t *testing.T) {
	t.Parallel()
	const limit = 16 << 20
	path := filepath.Join(t.TempDir(), "x.db")
	s := open(t, path)
	size := func() int64 {
		info, err := os.Stat(path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	write := func(bytes int) {
		if _, err := s.Writer.ExecContext(t.Context(), `INSERT INTO filler (body) VALUES (zeroblob(?))`, bytes); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Writer.ExecContext(t.Context(), `CREATE TABLE filler (body BLOB NOT NULL)`); err != nil {
		t.Fatal(err)
	}
	reader, err := s.Reader.BeginTxx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := reader.GetContext(t.Context(), &n, `SELECT count(*) FROM filler`); err != nil {
		t.Fatal(err)
	}
	for range 24 {
		write(1 << 20)
	}
	if size() <= limit {
		t.Fatalf("the log has only %d bytes", size())
	}
	if err := reader.Rollback(); err != nil {
		t.Fatal(err)
	}
	for range 3 { // one writes everything back, the next begins the log anew
		write(1 << 10)
	}
	if size() > limit {
		t.Errorf("the log still has %d bytes", size())
	}
}
