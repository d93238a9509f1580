package postgres_test

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/pgtest"
	"github.com/dialnote/webhooks/pkg/store/postgres"
	"github.com/dialnote/webhooks/pkg/store/storetest"
	"github.com/dialnote/webhooks/pkg/webhook"
)

func TestOpenSaysThatTheServerIsAway(t *testing.T) {
	t.Parallel()
	silent, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0") // accepts, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	for name, dsn := range map[string]string{
		"no socket":     "postgres:///x?host=" + t.TempDir(),
		"refused":       "postgres://127.0.0.1:1/x?sslmode=disable",
		"silent server": "postgres://" + silent.Addr().String() + "/x?sslmode=disable&connect_timeout=1",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		_, err := postgres.Open(ctx, dsn, storetest.Box(t))
		if !fault.Is(err, fault.Unavailable) || ctx.Err() != nil {
			t.Errorf("%s: got %v, want Unavailable", name, err)
		}
		cancel()
	}
}

func TestOpensErrorHasNoPassword(t *testing.T) {
	t.Parallel()
	for _, dsn := range []string{"postgres://u:hunter2@[::1/x", "postgres://u:hunter2@h:port/x", "postgres://u:hunter2@127.0.0.1:1/x?sslmode=wrong", "postgres://u:hunter2@127.0.0.1:1/x"} {
		if _, err := postgres.Open(t.Context(), dsn, storetest.Box(t)); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", dsn, err)
		}
	}
}

func TestStoreOutlivesTheServersRestartAndCrash(t *testing.T) {
	t.Parallel()
	server, err := pgtest.Start(pgtest.Options{Durable: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	s := open(t, server.DSN())
	w := storetest.Webhook("acme")
	if err := s.Create(t.Context(), storetest.By(), w, 10); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	failures := 0
	for name, stop := range map[string]func() error{"restart": server.Pause, "crash": server.Crash} {
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		a := storetest.Failed(w, now.Add(time.Duration(failures)*time.Minute), time.Second)
		// Idle connections end in as many ways as there are of them.
		for range 3 {
			if _, err := s.Record(t.Context(), delivery.DefaultPolicy(), []delivery.Attempt{a}); !fault.Is(err, fault.Unavailable) {
				t.Errorf("%s: record: got %v, want Unavailable", name, err)
			}
			if err := s.Ping(t.Context()); !fault.Is(err, fault.Unavailable) {
				t.Errorf("%s: ping: got %v, want Unavailable", name, err)
			}
		}
		if err := server.Resume(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Record(t.Context(), delivery.DefaultPolicy(), []delivery.Attempt{a}); err != nil {
			t.Errorf("%s: afterwards: %v", name, err)
		}
		failures++
		if got, err := s.Get(t.Context(), "acme", w.ID); err != nil || got.Health.FailureCount != failures {
			t.Errorf("%s: failure count %d, %v", name, got.Health.FailureCount, err)
		}
	}
}

// Under repeatable read every transaction that waited for another's lock loses
// with a serialization failure, and must be run again.
func TestTransactionsThatLoseRunAgain(t *testing.T) {
	t.Parallel()
	s := open(t, pgtest.Schema(t)+"&default_transaction_isolation=repeatable%20read")
	w := storetest.Webhook("acme")
	if err := s.Create(t.Context(), storetest.By(), w, 10); err != nil {
		t.Fatal(err)
	}
	runs := make(chan struct{}, 1000)
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			for range 10 {
				_, err := s.Update(t.Context(), storetest.By(), "acme", w.ID, 0, func(w webhook.Webhook) (webhook.Webhook, error) {
					runs <- struct{}{}
					w.Health.FailureCount++
					return w, nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	both.Wait()
	if got, err := s.Get(t.Context(), "acme", w.ID); err != nil || got.Health.FailureCount != 20 {
		t.Errorf("failure count %d after %d runs, %v", got.Health.FailureCount, len(runs), err)
	}
}
