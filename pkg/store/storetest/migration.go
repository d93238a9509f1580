package storetest

import (
	"io/fs"
	"os"
	"path"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/store/internal/sqlstore"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// MigrationsBefore returns the migrations in the folder "migrations" whose files
// sort before a name: those of an older program.
func MigrationsBefore(t *testing.T, name string) fs.FS {
	t.Helper()
	older := fstest.MapFS{}
	files, err := fs.Glob(os.DirFS("migrations"), "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if file >= name {
			continue
		}
		text, err := os.ReadFile(path.Join("migrations", file))
		if err != nil {
			t.Fatal(err)
		}
		older[file] = &fstest.MapFile{Data: text}
	}
	if len(older) == 0 || len(older) == len(files) {
		t.Fatalf("%d of %d migrations are before %s", len(older), len(files), name)
	}
	return older
}

// LogOutlives fills the log of a store with rows of several days, has it
// migrated, and compares every column before and after. Afterwards the log is
// read, added to, and refuses what it has, as before. flag is the type of the
// database's columns that are NULL or true.
func LogOutlives(t *testing.T, s store.Store, db, writer *sqlx.DB, flag string, migrate func() store.Store) {
	t.Helper()
	// Today's program writes the rows, so the older schema lends it the columns that
	// a later migration adds.
	alter := func(statements ...string) {
		t.Helper()
		for _, statement := range statements {
			if _, err := writer.ExecContext(t.Context(), `ALTER TABLE `+statement); err != nil {
				t.Fatal(err)
			}
		}
	}
	alter(`webhooks ADD COLUMN waiting ` + flag + ` NOT NULL DEFAULT false`)
	w := Webhook("acme")
	if err := s.Create(t.Context(), By(), w, 10); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	var rows []delivery.Attempt
	for _, days := range []int{-40, -1, 0, 1, 2, 40} {
		at := now.AddDate(0, 0, days)
		delivered, failed, held, test := Succeeded(w, at, time.Second), Failed(w, at, time.Second), Succeeded(w, at, 0), Succeeded(w, at, time.Second)
		dress(&delivered)
		delivered.HeaderNames = []string{"X-One", "X-Two"}
		held.Number, held.Outcome = 0, delivery.Outcome{Result: delivery.Deferred, Message: "Held."}
		later := held
		later.ID, later.Number, later.StartedAt, later.EndedAt = "att_"+newID(), 1, at.Add(time.Minute), at.Add(time.Minute)
		later.Outcome = delivered.Outcome
		test.Test, test.Body = true, []byte(`{"a":"\u0000"}`)
		rows = append(rows, delivered, failed, held, test)
		if days != 0 {
			rows = append(rows, later)
		}
	}
	policy := delivery.DefaultPolicy()
	policy.AutoDisableAfter = 1000
	write := func(s store.Store, attempts ...delivery.Attempt) {
		t.Helper()
		if _, err := s.Record(t.Context(), policy, attempts); err != nil {
			t.Fatal(err)
		}
	}
	alter(`attempts ADD COLUMN sent_twice `+flag, `attempts ADD COLUMN response_encoding text`,
		`attempts ADD COLUMN response_header_truncated `+flag,
		`outcome_hours ADD COLUMN reasons text NOT NULL DEFAULT ''`, `outcome_hours ADD COLUMN took text NOT NULL DEFAULT ''`)
	write(s, rows...)
	before, listed, counted := allRows(t, db), listAll(t, s, w.ID), statsAround(t, s, w, now)
	if len(before) != len(rows) || len(listed) == 0 {
		t.Fatalf("%d rows of %d, %d deliveries", len(before), len(rows), len(listed))
	}

	alter(`attempts DROP COLUMN sent_twice`, `attempts DROP COLUMN response_encoding`, `attempts DROP COLUMN response_header_truncated`,
		`webhooks DROP COLUMN waiting`, `outcome_hours DROP COLUMN reasons`, `outcome_hours DROP COLUMN took`)
	s = migrate()
	wantEqual(t, "rows", allRows(t, db), before)
	wantEqual(t, "deliveries", listAll(t, s, w.ID), listed)
	wantEqual(t, "statistics", statsAround(t, s, w, now), counted)
	write(s, append(rows, Succeeded(w, now, time.Second))...)
	if n := len(allRows(t, db)); n != len(rows)+1 {
		t.Errorf("%d rows after all were recorded again and one was added, of %d", n, len(rows))
	}
	skipped, err := s.SkipHeld(t.Context(), "acme", w.ID, now, "Skipped.")
	if err != nil || skipped == 0 {
		t.Errorf("skipped %d, %v", skipped, err)
	}
}

// allRows returns the log as the database has it.
func allRows(t *testing.T, db *sqlx.DB) []sqlstore.AttemptRow {
	t.Helper()
	var rows []sqlstore.AttemptRow
	if err := db.SelectContext(t.Context(), &rows, `SELECT `+sqlstore.AttemptColumns+` FROM attempts ORDER BY id`); err != nil {
		t.Fatal(err)
	}
	return rows
}

func listAll(t *testing.T, s store.Store, webhookID string) []store.LoggedDelivery {
	t.Helper()
	list, next, err := s.ListDeliveries(t.Context(), "acme", webhookID, store.DeliveryFilter{}, store.Page{Limit: 1000})
	if err != nil || next != "" {
		t.Fatal(next, err)
	}
	return list
}

// statsAround returns the statistics of all days that LogOutlives writes.
func statsAround(t *testing.T, s store.Store, w webhook.Webhook, now time.Time) store.Stats {
	t.Helper()
	stats, err := s.Stats(t.Context(), w.OrganizationID, w.ID, now.AddDate(0, 0, -41), now.AddDate(0, 0, 41).Truncate(time.Hour))
	if err != nil || stats.Latency.Requests == 0 || len(stats.Reasons) == 0 {
		t.Fatalf("%+v, %v", stats, err)
	}
	return stats
}
