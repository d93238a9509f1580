package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/pgtest"
	"github.com/dialnote/webhooks/pkg/store/storetest"
)

// When the server goes away during a COPY, Record returns Unavailable.
func TestAServerThatGoesDuringTheCopyIsAway(t *testing.T) {
	t.Parallel()
	s := open(t, pgtest.Schema(t))
	w := storetest.Webhook("acme")
	if err := s.Create(t.Context(), storetest.By(), w, 10); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	block, err := s.Writer.BeginTxx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = block.Rollback() }() // it is over by then
	if _, err := block.ExecContext(ctx, `LOCK TABLE attempts IN ACCESS EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	attempts := []delivery.Attempt{storetest.Succeeded(w, time.Now(), time.Millisecond)}
	recorded := make(chan error, 1)
	go func() {
		_, err := s.Record(t.Context(), delivery.DefaultPolicy(), attempts)
		recorded <- err
	}()
	for ended := 0; ended == 0; { // until the copy waits for the table
		const end = `SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE relation = 'attempts'::regclass AND NOT granted`
		if err := s.Reader.GetContext(ctx, &ended, end); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case err := <-recorded:
		if !fault.Is(err, fault.Unavailable) {
			t.Errorf("record: %v, want Unavailable", err)
		}
	case <-ctx.Done():
		t.Fatal("record hangs")
	}
	if err := block.Rollback(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Record(t.Context(), delivery.DefaultPolicy(), attempts); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// After a restart of the server all idle connections have ended. Record passes
// over them in one call.
func TestEveryIdleConnectionHasEnded(t *testing.T) {
	t.Parallel()
	s := open(t, pgtest.Schema(t))
	w := storetest.Webhook("acme")
	if err := s.Create(t.Context(), storetest.By(), w, 10); err != nil {
		t.Fatal(err)
	}
	idle := make([]*sqlx.Conn, s.Writer.Stats().MaxOpenConnections-1)
	pids := make([]int64, len(idle))
	for i := range idle {
		var err error
		if idle[i], err = s.Writer.Connx(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := idle[i].GetContext(t.Context(), &pids[i], `SELECT pg_backend_pid()`); err != nil {
			t.Fatal(err)
		}
	}
	last, err := s.Writer.Connx(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range idle {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	const end = `SELECT count(*) FILTER (WHERE NOT pg_terminate_backend(pid, 20000)) FROM unnest($1::int[]) AS pid`
	var left int
	if err := last.GetContext(t.Context(), &left, end, pq.Array(pids)); err != nil || left > 0 {
		t.Fatal(left, err)
	}
	if _, err := s.Record(t.Context(), delivery.DefaultPolicy(), []delivery.Attempt{storetest.Succeeded(w, time.Now(), time.Millisecond)}); err != nil {
		t.Error(err)
	}
	if err := last.Close(); err != nil {
		t.Error(err)
	}
}
