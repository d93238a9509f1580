package pgtest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lib/pq"
)

// serverVariable names a running server to use instead of starting one.
const serverVariable = "DIALNOTE_TEST_DATABASE_URL"

// shared returns the one cluster of a test binary, which its first call makes. It
// needs no clean-up: its supervisor ends it with the binary. It returns the
// cluster and not its DSN, because a cluster without a reference is garbage
// collected, which closes its pipe, and the supervisor takes that for the owner's
// end.
//
//nolint:gochecknoglobals // One server for all tests of a binary is its purpose.
var shared = sync.OnceValues(func() (*Cluster, error) { return Start(Options{}) })

func server() (dsn string, err error) {
	if dsn := os.Getenv(serverVariable); dsn != "" {
		return dsn, nil
	}
	c, err := shared()
	if err != nil {
		return "", err
	}
	return c.DSN(), nil
}

// Schema makes an empty schema for one test and returns a DSN whose search
// path is that schema. The schema is dropped when the test ends. Without a
// Postgres server the test fails: it does not skip.
func Schema(tb testing.TB) string {
	tb.Helper()
	root, err := server()
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	name := "test_" + strings.ToLower(rand.Text())
	execute(tb, root, "CREATE SCHEMA "+pq.QuoteIdentifier(name))
	tb.Cleanup(func() { execute(tb, root, "DROP SCHEMA "+pq.QuoteIdentifier(name)+" CASCADE") })
	dsn, err := withSearchPath(root, name)
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	return dsn
}

func withSearchPath(dsn, schema string) (string, error) {
	u, err := url.Parse(dsn)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", serverVariable, err)
	}
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	return u.String(), nil
}

func execute(tb testing.TB, dsn, statement string) {
	tb.Helper()
	// Not the test's context: it has ended when the schema is dropped.
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	db, err := sql.Open("postgres", dsn)
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	defer func() { _ = db.Close() }() // the statement has had its answer
	if _, err := db.ExecContext(ctx, statement); err != nil {
		tb.Fatalf("pgtest: %s: %v", statement, err)
	}
}
