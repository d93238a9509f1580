package pgtest_test

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "github.com/lib/pq"

	"github.com/dialnote/webhooks/pkg/pgtest"
)

func query(t *testing.T, dsn, statement string) string {
	t.Helper()
	db, err := sql.Open("postgres", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var answer string
	if err := db.QueryRowContext(t.Context(), statement).Scan(&answer); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return answer
}

func TestSchemasAreApart(t *testing.T) {
	t.Parallel()
	a, b := pgtest.Schema(t), pgtest.Schema(t)
	runtime.GC() // the cluster stays, though this test has no reference to it
	for _, dsn := range []string{a, b} {
		// The second would fail if both were in one schema.
		query(t, dsn, "CREATE TABLE only_here (); SELECT current_schema()")
	}
	if query(t, a, "SELECT current_schema()") == query(t, b, "SELECT current_schema()") {
		t.Error("two tests share a schema")
	}
}

func TestClusterKeepsItsDataOverPauseAndCrash(t *testing.T) {
	t.Parallel()
	c, err := pgtest.Start(pgtest.Options{Durable: true, Settings: map[string]string{"max_connections": "17"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	if got := query(t, c.DSN(), "SHOW max_connections"); got != "17" {
		t.Errorf("max_connections = %s", got)
	}
	if got := query(t, c.DSN(), "SHOW fsync"); got != "on" {
		t.Errorf("fsync = %s", got)
	}
	query(t, c.DSN(), "CREATE TABLE kept AS SELECT 'still here' AS word; SELECT ''")
	if err := c.Restart(); err != nil {
		t.Fatal(err)
	}
	if err := c.Crash(); err != nil {
		t.Fatal(err)
	}
	if err := c.Resume(); err != nil {
		t.Fatal(err)
	}
	if got := query(t, c.DSN(), "SELECT word FROM kept"); got != "still here" {
		t.Errorf("word = %q", got)
	}
}

func TestPortAndProcess(t *testing.T) {
	t.Parallel()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := free.Addr().(*net.TCPAddr).Port
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := pgtest.Start(pgtest.Options{Port: port})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	if got := query(t, c.DSN(), "SELECT inet_server_port()"); got != strconv.Itoa(port) {
		t.Errorf("the server is at port %s", got)
	}
	pid, err := c.PID()
	if err != nil {
		t.Fatal(err)
	}
	if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); err != nil || !strings.HasPrefix(string(name), "postgres") {
		t.Errorf("process %d is %q: %v", pid, name, err)
	}
}

// TestOwner is the program that TestNothingOutlivesAKilledOwner kills.
func TestOwner(t *testing.T) {
	if os.Getenv("PGTEST_OWNER") == "" {
		t.Log("only as the child of TestNothingOutlivesAKilledOwner")
		return
	}
	c, err := pgtest.Start(pgtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stdout.WriteString(c.DSN() + "\n" + query(t, c.DSN(), "SHOW data_directory") + "\n"); err != nil {
		t.Fatal(err)
	}
	<-t.Context().Done()
}

func TestNothingOutlivesAKilledOwner(t *testing.T) {
	t.Parallel()
	owner := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestOwner$")
	owner.Env = append(os.Environ(), "PGTEST_OWNER=1")
	out, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	lines.Scan()
	dsn := lines.Text()
	lines.Scan()
	data := lines.Text()
	if _, err := os.Stat(data); err != nil {
		t.Fatalf("the owner's cluster: %v", err)
	}
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait() // it was killed
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for poll := time.NewTicker(10 * time.Millisecond); ; {
		if _, err := os.Stat(data); os.IsNotExist(err) {
			break
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			t.Fatal("the data folder outlived its owner")
		}
	}
	db, err := sql.Open("postgres", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.PingContext(ctx); err == nil {
		t.Error("the server outlived its owner")
	}
}
