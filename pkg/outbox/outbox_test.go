package outbox_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dialnote/webhooks/pkg/natstest"
	"github.com/dialnote/webhooks/pkg/outbox"
	"github.com/dialnote/webhooks/pkg/store/sqlite"
	"github.com/dialnote/webhooks/pkg/store/storetest"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/proto"
)

// shelf is an outbox's store and publisher in memory; the broker may be away.
type shelf struct {
	mu      sync.Mutex
	pending []webhook.Notice
	sent    []string
	away    bool
	tries   int
}

func (s *shelf) PendingNotices(_ context.Context, limit int) ([]webhook.Notice, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.pending[:min(limit, len(s.pending))]), nil
}

func (s *shelf) DropNotices(_ context.Context, ids []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending = slices.DeleteFunc(s.pending, func(n webhook.Notice) bool { return slices.Contains(ids, n.ID) })
	return nil
}

func (s *shelf) Notify(_ context.Context, n webhook.Notice) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries++
	if s.away {
		return errors.New("away")
	}
	s.sent = append(s.sent, n.ID)
	return nil
}

func (s *shelf) add(ids ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		s.pending = append(s.pending, webhook.Notice{ID: id, Kind: webhook.NoticeDeleted})
	}
}

func (s *shelf) setAway(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

// want checks what was sent and what is left.
func (s *shelf) want(t *testing.T, sent []string, left int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.sent, sent) || len(s.pending) != left {
		t.Fatalf("sent %q and left %d, want %q and %d", s.sent, len(s.pending), sent, left)
	}
}

func newOutbox(t *testing.T, store outbox.Store, publisher outbox.Publisher) *outbox.Outbox {
	t.Helper()
	o, err := outbox.New(store, publisher, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestWhatIsWrittenIsSentWhenWokenAndByTheSweepOtherwise(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		s.add("left by a dead process")
		o := newOutbox(t, s, s)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); o.Run(ctx) }()
		synctest.Wait()
		s.want(t, []string{"left by a dead process"}, 0)
		s.add("a", "b")
		synctest.Wait()
		s.want(t, []string{"left by a dead process"}, 2)
		o.Wake()
		synctest.Wait()
		s.want(t, []string{"left by a dead process", "a", "b"}, 0)
		s.add("of another process")
		time.Sleep(10*time.Second + 1) //nolint:forbidigo // the bubble's own clock: the sweep itself is what is tested
		synctest.Wait()
		s.want(t, []string{"left by a dead process", "a", "b", "of another process"}, 0)
		s.add("just before the stop")
		stop()
		<-done
		s.want(t, []string{"left by a dead process", "a", "b", "of another process", "just before the stop"}, 0)
	})
}

func TestNothingIsDroppedWhileTheBrokerIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{away: true}
		s.add("a", "b")
		o := newOutbox(t, s, s)
		go o.Run(t.Context())
		time.Sleep(time.Minute) //nolint:forbidigo // the bubble's own clock
		s.want(t, nil, 2)
		if s.tries < 30 || s.tries > 61 {
			t.Errorf("tried %d times in a minute", s.tries)
		}
		s.setAway(false)
		time.Sleep(time.Second + 1) //nolint:forbidigo // the bubble's own clock
		synctest.Wait()
		s.want(t, []string{"a", "b"}, 0)
	})
}

func TestReplicasThatSendTheSameStoreItOnceAndInOrder(t *testing.T) {
	t.Parallel()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"), storetest.Box(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	srv := natstest.Start(t)
	const notices, replicas = 250, 4
	w := storetest.Webhook("acme")
	for i := range notices {
		n := webhook.Recovered(w, webhook.RecoveryEnd{ID: "rec_" + strconv.Itoa(i), Status: "done"}, time.Now())
		if err := db.AddNotice(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var running sync.WaitGroup
	for range replicas {
		conn, err := stream.Connect(stream.Settings{URL: srv.ClientURL(), Name: t.Name()}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.Ensure(t.Context(), stream.Topology{Retention: time.Hour, Replicas: 1}); err != nil {
			t.Fatal(err)
		}
		o := newOutbox(t, db, conn)
		running.Go(func() { o.Run(ctx) })
	}
	stop() // each sends what is there before it returns
	running.Wait()
	if left, err := db.PendingNotices(t.Context(), 1); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	stored := srv.Stored(t, proto.StreamNotices)
	if len(stored) != notices {
		t.Fatalf("%d are stored, want %d", len(stored), notices)
	}
	for i, m := range stored {
		if want := w.ID + ".rec_" + strconv.Itoa(i) + ".recovered"; m.Header.Get("Nats-Msg-Id") != want {
			t.Fatalf("message %d is %s, want %s", i, m.Header.Get("Nats-Msg-Id"), want)
		}
	}
}
