package storetest

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/store"
)

// ReadersHoldUpNothing takes all connections to the log's readers, and has callers
// of each kind wait for one. What deliveries and other requests need goes on all the
// same.
func ReadersHoldUpNothing(t *testing.T, s store.Store, logReader *sqlx.DB) {
	t.Helper()
	w := create(t, s, Webhook("acme"))
	var taken []*sqlx.Conn
	for range logReader.Stats().MaxOpenConnections {
		conn, err := logReader.Connx(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		taken = append(taken, conn)
	}
	readers := waitingReaders(t, s, w.ID, logReader)
	defer func() {
		for _, conn := range taken {
			_ = conn.Close() // it did nothing
		}
		readers.Wait()
	}()
	a := Succeeded(w, time.Now(), time.Second)
	record(t, s, a)
	if len(logOf(t, s, a)) != 1 || get(t, s, w).Health.LastSentAt.IsZero() {
		t.Error("the attempt is not recorded")
	}
	if all, err := s.All(t.Context(), "acme"); err != nil || len(all) != 1 {
		t.Errorf("%d webhooks to match, %v", len(all), err)
	}
	if got, err := s.Progress(t.Context(), []string{a.DeliveryID}, delivery.TimeRange{}); err != nil || !got[a.DeliveryID].Delivered {
		t.Errorf("progress %v, %v", got, err)
	}
}

// waitingReaders starts callers that read the log, and returns when all of them wait
// for a connection.
func waitingReaders(t *testing.T, s store.Store, webhookID string, logReader *sqlx.DB) *sync.WaitGroup {
	t.Helper()
	var readers sync.WaitGroup
	now, before := time.Now(), logReader.Stats().WaitCount
	kinds := []func() error{
		func() error { _, err := s.Stats(t.Context(), "acme", webhookID, now.Add(-time.Hour), now); return err },
		func() error { _, err := s.Activity(t.Context(), "acme", now.Add(-time.Hour), now); return err },
		func() error {
			_, _, err := s.ListDeliveries(t.Context(), "acme", webhookID, store.DeliveryFilter{}, store.Page{})
			return err
		},
		func() error {
			_, _, err := s.ListEntries(t.Context(), "acme", audit.Filter{}, store.Page{})
			return err
		},
	}
	for _, read := range kinds {
		readers.Go(func() {
			if err := read(); err != nil {
				t.Error(err)
			}
		})
	}
	for logReader.Stats().WaitCount < before+int64(len(kinds)) {
		runtime.Gosched()
	}
	return &readers
}
