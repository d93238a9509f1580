package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/pgtest"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/store/postgres"
	"github.com/dialnote/webhooks/pkg/store/storetest"
)

// A backup holds the log while a later version begins. Deliveries are recorded all
// the while, the error names the backup, and what was not made leaves nothing behind.
func TestAMigrationDoesNotWaitBehindABackup(t *testing.T) {
	t.Parallel()
	site := pgtest.NewHost(t, pgtest.Options{}).Site(t, "")
	running, later := open(t, site.DSN), open(t, site.DSN)
	w := storetest.Webhook("acme")
	if err := running.Create(t.Context(), storetest.By(), w, 10); err != nil {
		t.Fatal(err)
	}
	files := withLater(t, "CREATE TABLE later (); ALTER TABLE attempts ADD COLUMN later text;")
	release := site.Lock("pg_dump", "attempts IN ACCESS SHARE MODE")

	for range 3 {
		tried := make(chan error, 1)
		go func() { tried <- later.MigrateTo(t.Context(), files) }()
		err := error(nil)
		for err == nil { // deliveries go on meanwhile
			if _, failed := record(t.Context(), running, w); failed != nil {
				t.Fatalf("while a migration waits: %v", failed)
			}
			select {
			case err = <-tried:
			default:
			}
		}
		blocked, is := errors.AsType[*store.BlockedError](err)
		if !is || !fault.Is(err, fault.Unavailable) || len(blocked.Holders) != 1 || !strings.Contains(err.Error(), `application "pg_dump"`) {
			t.Fatalf("%v", err)
		}
	}
	if err := endedWhileItWaits(t, running, later, files); !errors.Is(err, context.Canceled) {
		t.Fatalf("a migration that was ended: %v", err)
	}
	if scalar[bool](t, running.Reader, `SELECT to_regclass('later') IS NOT NULL`) {
		t.Error("a half of it was made")
	}
	if _, err := record(t.Context(), running, w); err != nil {
		t.Error(err)
	}
	release()
	if err := later.MigrateTo(t.Context(), files); err != nil {
		t.Error(err)
	}
	if _, err := record(t.Context(), running, w); err != nil {
		t.Error(err)
	}
}

// endedWhileItWaits begins a migration, ends it while it waits for a lock, and returns
// its error.
func endedWhileItWaits(t *testing.T, running, later *postgres.Store, files fs.FS) error {
	t.Helper()
	for {
		ctx, end := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- later.MigrateTo(ctx, files) }()
		for {
			if scalar[bool](t, running.Reader, `SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'relation')`) {
				end()
				return <-ended
			}
			select {
			case <-ended: // it gave up before it was seen
			default:
				continue
			}
			break
		}
		end()
	}
}

// withLater returns this program's migrations and one more.
func withLater(t *testing.T, text string) fs.FS {
	t.Helper()
	files := fstest.MapFS{}
	names, err := fs.Glob(os.DirFS("migrations"), "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join("migrations", name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = &fstest.MapFile{Data: text}
	}
	files[fmt.Sprintf("%04d_later.sql", len(names)+1)] = &fstest.MapFile{Data: []byte(text)}
	return files
}
