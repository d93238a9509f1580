package pgtest

import (
	"crypto/rand"
	"database/sql"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/lib/pq"
)

// Host is a server on which programs have databases of their own, and an operator
// does what operators do.
type Host struct {
	*Cluster
	admin *sql.DB

	mu      sync.Mutex
	methods map[string]string // by role, how pg_hba.conf lets it in; none: without a password
}

// NewHost starts a server that ends with the test.
func NewHost(tb testing.TB, o Options) *Host {
	tb.Helper()
	server, err := Start(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = server.Stop() })
	return &Host{Cluster: server, admin: superuser(tb, server.DSN()), methods: make(map[string]string)}
}

// Site is a role and a database of the same name, which it owns.
type Site struct {
	DSN  string // of the role, with its password
	Role string

	tb    testing.TB
	host  *Host
	inner *sql.DB // of the database, as the superuser
}

// Password is the one of a site's role.
const Password = "right"

// Site makes a role and its database. Its DSN ends with settings, like
// "&lock_timeout=1s".
func (h *Host) Site(tb testing.TB, settings string) *Site {
	tb.Helper()
	s := &Site{Role: "app_" + strings.ToLower(rand.Text()), tb: tb, host: h}
	s.Admin(`CREATE ROLE `+s.Role+` LOGIN PASSWORD '`+Password+`'`, `CREATE DATABASE `+s.Role+` OWNER `+s.Role)
	u, err := url.Parse(h.DSN())
	if err != nil {
		tb.Fatal(err)
	}
	u.Path = "/" + s.Role
	s.inner = superuser(tb, u.String())
	u.User = url.UserPassword(s.Role, Password)
	s.DSN = u.String() + settings
	return s
}

func superuser(tb testing.TB, dsn string) *sql.DB {
	tb.Helper()
	connector, err := pq.NewConnector(dsn)
	if err != nil {
		tb.Fatal(err)
	}
	db := sql.OpenDB(connector)
	tb.Cleanup(func() { _ = db.Close() })
	return db
}

// Admin runs statements as the superuser, in another database.
func (s *Site) Admin(statements ...string) { s.tb.Helper(); s.run(s.host.admin, statements) }

// Server does something to the server.
func (s *Site) Server(do func(*Cluster) error) {
	s.tb.Helper()
	if err := do(s.host.Cluster); err != nil {
		s.tb.Fatal(err)
	}
}

// Do runs statements as the superuser, in the site's database.
func (s *Site) Do(statements ...string) { s.tb.Helper(); s.run(s.inner, statements) }

func (s *Site) run(db *sql.DB, statements []string) {
	s.tb.Helper()
	for _, statement := range statements {
		if _, err := db.ExecContext(s.tb.Context(), statement); err != nil {
			s.tb.Fatalf("%s: %v", statement, err)
		}
	}
}

// Allow has the server let the role in by a method of pg_hba.conf only.
func (s *Site) Allow(method string) {
	s.tb.Helper()
	s.host.mu.Lock()
	defer s.host.mu.Unlock()
	var file string
	if err := s.host.admin.QueryRowContext(s.tb.Context(), `SHOW hba_file`).Scan(&file); err != nil {
		s.tb.Fatal(err)
	}
	s.host.methods[s.Role] = method
	var rules strings.Builder
	for role, method := range s.host.methods {
		rules.WriteString("local all " + role + " " + method + "\n")
	}
	rules.WriteString("local all all trust\n")
	if err := os.WriteFile(file, []byte(rules.String()), 0o600); err != nil {
		s.tb.Fatal(err)
	}
	s.Admin(`SELECT pg_reload_conf()`)
}

// End ends all connections of the role.
func (s *Site) End() {
	s.tb.Helper()
	s.Admin(`SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = '` + s.Role + `'`)
}

// Rename renames the database, from which it ends all connections.
func (s *Site) Rename(from, to string) {
	s.tb.Helper()
	s.Admin(`ALTER ROLE ` + s.Role + ` NOLOGIN`)
	s.End()
	s.inner.SetMaxIdleConns(0) // ends those that are open
	s.Admin(`ALTER DATABASE `+from+` RENAME TO `+to, `ALTER ROLE `+s.Role+` LOGIN`)
}

// Lock has another session, of this name, take a lock like "webhooks IN ACCESS SHARE
// MODE", and returns what ends that session.
func (s *Site) Lock(application, lock string) (release func()) {
	s.tb.Helper()
	tx, err := s.inner.BeginTx(s.tb.Context(), nil)
	if err != nil {
		s.tb.Fatal(err)
	}
	for _, statement := range []string{`SET LOCAL application_name = '` + application + `'`, `LOCK TABLE ` + lock} {
		if _, err := tx.ExecContext(s.tb.Context(), statement); err != nil {
			s.tb.Fatalf("%s: %v", statement, err)
		}
	}
	return func() { _ = tx.Rollback() }
}
