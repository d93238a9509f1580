package postgres_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/pgtest"
	"github.com/dialnote/webhooks/pkg/store/postgres"
	"github.com/dialnote/webhooks/pkg/store/storetest"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// A server may refuse for any reason. Unless that is a row of ours, the error is
// Unavailable and says what to do, the store is not writable for as long as it
// lasts, and is afterwards without being opened again.
func TestWhateverTheServerRefusesItIsUnavailable(t *testing.T) {
	t.Parallel()
	h := pgtest.NewHost(t, pgtest.Options{})
	day := time.Now().UTC().Format("attempts_20060102")
	raise := func(s *pgtest.Site, code string) func() {
		s.Do(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused' USING ERRCODE = '`+code+`'; END $$`,
			`CREATE TRIGGER refuse BEFORE INSERT ON outcome_hours FOR EACH STATEMENT EXECUTE FUNCTION refuse()`)
		return func() { s.Do(`DROP TRIGGER refuse ON outcome_hours`, `DROP FUNCTION refuse`) }
	}
	for name, kind := range map[string]struct {
		settings string // of the connection
		begin    func(*pgtest.Site) (end func())
		says     []string
	}{
		"another password (28P01)": {
			begin: func(s *pgtest.Site) func() {
				s.Allow("scram-sha-256")
				s.Admin(`ALTER ROLE ` + s.Role + ` PASSWORD 'other'`)
				s.End()
				return func() { s.Admin(`ALTER ROLE ` + s.Role + ` PASSWORD 'right'`) }
			},
			says: []string{"28P01", "DIALNOTE_DATABASE_URL"},
		},
		"pg_hba refuses (28000)": {
			begin: func(s *pgtest.Site) func() {
				s.Allow("reject")
				s.End()
				return func() { s.Allow("trust") }
			},
			says: []string{"28000", "pg_hba.conf"},
		},
		"the database is renamed (3D000)": {
			begin: func(s *pgtest.Site) func() {
				s.Rename(s.Role, "other")
				return func() { s.Rename("other", s.Role) }
			},
			says: []string{"3D000", "DIALNOTE_DATABASE_URL"},
		},
		"no connection is left (53300)": {
			begin: func(s *pgtest.Site) func() {
				s.Admin(`ALTER ROLE ` + s.Role + ` CONNECTION LIMIT 0`)
				s.End()
				return func() { s.Admin(`ALTER ROLE ` + s.Role + ` CONNECTION LIMIT -1`) }
			},
			says: []string{"53300", "max_connections"},
		},
		"a table may not be written (42501)": {
			begin: func(s *pgtest.Site) func() {
				s.Do(`ALTER TABLE attempts OWNER TO postgres`, `GRANT SELECT, UPDATE ON attempts TO `+s.Role)
				return func() { s.Do(`ALTER TABLE attempts OWNER TO ` + s.Role) }
			},
			says: []string{"42501", "grant"},
		},
		"the role is made read only (25006)": {
			begin: func(s *pgtest.Site) func() {
				s.Admin(`ALTER ROLE ` + s.Role + ` SET default_transaction_read_only = on`)
				s.End()
				return func() { s.Admin(`ALTER ROLE ` + s.Role + ` RESET default_transaction_read_only`) }
			},
			says: []string{"25006", "default_transaction_read_only"},
		},
		"a table is renamed (42P01)": {
			begin: func(s *pgtest.Site) func() {
				s.Do(`ALTER TABLE outcome_hours RENAME TO aside`)
				return func() { s.Do(`ALTER TABLE aside RENAME TO outcome_hours`) }
			},
			says: []string{"42P01", "rename"},
		},
		"out of transaction ids (54000)": {
			begin: func(s *pgtest.Site) func() { return raise(s, "54000") },
			says:  []string{"54000", "VACUUM"},
		},
		"disk full (53100)": {
			begin: func(s *pgtest.Site) func() { return raise(s, "53100") },
			says:  []string{"53100", "room"},
		},
		"an operator's trigger (P0001)": {
			begin: func(s *pgtest.Site) func() { return raise(s, "P0001") },
			says:  []string{"P0001"},
		},
		"a table is locked (55P03)": {
			settings: "&lock_timeout=100ms",
			begin:    func(s *pgtest.Site) func() { return s.Lock("operator", "outcome_hours") },
			says:     []string{"55P03", "pg_locks"},
		},
		"statements may take no time (57014)": {
			settings: "&statement_timeout=100ms",
			begin:    func(s *pgtest.Site) func() { return s.Lock("operator", "outcome_hours") },
			says:     []string{"57014", "statement_timeout"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := h.Site(t, kind.settings)
			db := open(t, s.DSN)
			w := storetest.Webhook("acme")
			if err := db.Create(t.Context(), storetest.By(), w, 10); err != nil {
				t.Fatal(err)
			}
			if err := db.Writable(t.Context()); err != nil {
				t.Fatalf("before: %v", err)
			}
			end := kind.begin(s)
			isRefused(t, db, w, kind.says...)
			end()
			isWell(t, db, w)
		})
	}
	t.Run("no partition for a day (23514)", func(t *testing.T) {
		t.Parallel()
		s := h.Site(t, "")
		db := open(t, s.DSN)
		w := storetest.Webhook("acme")
		if err := db.Create(t.Context(), storetest.By(), w, 10); err != nil {
			t.Fatal(err)
		}
		s.Do(`DROP TABLE `+day, `ALTER TABLE attempts DETACH PARTITION attempts_default`)
		_, err := record(t.Context(), db, w)
		unavailable(t, "record", err, "23514", "attempts_default")
		s.Do(`ALTER TABLE attempts ATTACH PARTITION attempts_default DEFAULT`)
		isWell(t, db, w)
	})
}

func record(ctx context.Context, db *postgres.Store, w webhook.Webhook) ([]delivery.Step, error) {
	return db.Record(ctx, delivery.DefaultPolicy(), []delivery.Attempt{storetest.Succeeded(w, time.Now(), time.Second)})
}

func isRefused(t *testing.T, db *postgres.Store, w webhook.Webhook, says ...string) {
	t.Helper()
	_, err := record(t.Context(), db, w)
	unavailable(t, "record", err, says...)
	unavailable(t, "writable", db.Writable(t.Context()), says...)
}

func isWell(t *testing.T, db *postgres.Store, w webhook.Webhook) {
	t.Helper()
	if err := db.Writable(t.Context()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if steps, err := record(t.Context(), db, w); err != nil || !steps[0].Found {
		t.Errorf("afterwards: %v, %v", steps, err)
	}
}

func unavailable(t *testing.T, what string, err error, says ...string) {
	t.Helper()
	if !fault.Is(err, fault.Unavailable) {
		t.Errorf("%s: %v, want Unavailable", what, err)
		return
	}
	for _, text := range says {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v does not say %s", what, err, text)
		}
	}
}

// What is wrong with a row stays its own: waiting would not help, and others could
// be written meanwhile.
func TestWhatIsWrongWithARowIsNotTheServers(t *testing.T) {
	t.Parallel()
	s := pgtest.NewHost(t, pgtest.Options{}).Site(t, "")
	db := open(t, s.DSN)
	w := storetest.Webhook("acme")
	if err := db.Create(t.Context(), storetest.By(), w, 10); err != nil {
		t.Fatal(err)
	}
	s.Do(`ALTER TABLE attempts ADD CONSTRAINT short CHECK (length(event_id) < 5)`)
	for what, change := range map[string]func(*delivery.Attempt){
		"a violated check (23514)": func(a *delivery.Attempt) { a.EventID = "too long" },
		"no text (22021)":          func(a *delivery.Attempt) { a.EventID = "\xff" },
		"no number (22003)":        func(a *delivery.Attempt) { a.EventID, a.Number = "e", 1<<40 },
	} {
		a := storetest.Succeeded(w, time.Now(), time.Second)
		change(&a)
		if _, err := db.Record(t.Context(), delivery.DefaultPolicy(), []delivery.Attempt{a}); err == nil || fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := db.Writable(t.Context()); err != nil {
		t.Error(err)
	}
}

// A failover leaves the old primary as a standby behind connections that stay open.
func TestConnectionsToAStandbyAreDropped(t *testing.T) {
	t.Parallel()
	f := newFailover(t)
	db := open(t, f.dsn)
	w := storetest.Webhook("acme")
	if err := db.Create(t.Context(), storetest.By(), w, 10); err != nil {
		t.Fatal(err)
	}
	isWell(t, db, w) // with connections in the pool
	f.demote(t)
	isRefused(t, db, w, "DIALNOTE_DATABASE_URL", "primary")
	f.lead(t) // the address leads to the new primary; connections to the old one stay
	isWell(t, db, w)
}

// failover is a primary, a standby, and an address that leads to one of them.
type failover struct {
	primary, standby *pgtest.Cluster
	address          *pgtest.Address
	dsn              string
}

func newFailover(t *testing.T) *failover {
	t.Helper()
	primary, err := pgtest.Start(pgtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = primary.Stop() })
	made, err := postgres.Open(t.Context(), primary.DSN(), storetest.Box(t)) // makes the tables
	if err != nil {
		t.Fatal(err)
	}
	if err := made.Close(); err != nil {
		t.Fatal(err)
	}
	standby, err := primary.Standby()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = standby.Stop() })
	address, err := pgtest.NewAddress(t.Context(), primary)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = address.Close() })
	return &failover{primary, standby, address, address.DSN()}
}

// demote ends all connections; the next ones reach the standby.
func (f *failover) demote(t *testing.T) {
	t.Helper()
	f.address.Lead(f.standby)
	f.address.Cut()
}

// lead has new connections reach the primary.
func (f *failover) lead(t *testing.T) {
	t.Helper()
	f.address.Lead(f.primary)
}
