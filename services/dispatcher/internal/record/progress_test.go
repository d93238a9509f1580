package record_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/services/dispatcher/internal/record"
)

// log answers each query when the test says so, with as many attempts as the
// delivery's id is long.
type log struct {
	answer chan error
	mu     sync.Mutex
	asked  []int // how many deliveries each query was for
	within []delivery.TimeRange
}

func (l *log) Progress(_ context.Context, ids []string, within delivery.TimeRange) (map[string]delivery.Progress, error) {
	l.mu.Lock()
	l.asked = append(l.asked, len(ids))
	l.within = append(l.within, within)
	l.mu.Unlock()
	if err := <-l.answer; err != nil {
		return nil, err
	}
	found := make(map[string]delivery.Progress)
	for _, id := range ids {
		found[id] = delivery.Progress{Attempts: len(id)}
	}
	return found, nil
}

var errLog = errors.New("broken")

func TestQuestionsShareAQuery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &log{answer: make(chan error)}
		r := record.NewProgressReader(l, time.Now)
		var all sync.WaitGroup
		ask := func(n int, want error) {
			all.Go(func() {
				id := fmt.Sprintf("%0*d", n, n)
				p, err := r.Of(t.Context(), delivery.Delivery{ID: id, EventStored: time.Now().Add(-time.Duration(n) * time.Hour)})
				if !errors.Is(err, want) || want == nil && p.Attempts != n {
					t.Errorf("delivery %d: %+v, %v", n, p, err)
				}
			})
			synctest.Wait()
		}
		ask(1, nil)
		for n := range 300 { // while the first query is under way
			want := error(nil)
			if n < 256 {
				want = errLog
			}
			ask(n+2, want)
		}
		l.answer <- nil
		l.answer <- errLog
		l.answer <- nil
		all.Wait()
		ask2 := make(chan struct{})
		go func() { _, _ = r.Of(t.Context(), delivery.Delivery{ID: "later"}); close(ask2) }()
		l.answer <- nil
		<-ask2
		if got := fmt.Sprint(l.asked); got != "[1 256 44 1]" {
			t.Errorf("queries for %s deliveries", got)
		}
		now := time.Now()
		for i, hours := range []int{1, 257, 301} { // to the oldest event of each, and an hour for clocks
			want := delivery.TimeRange{From: now.Add(-time.Duration(hours+1) * time.Hour), To: now.Add(time.Hour)}
			if got := l.within[i]; got != want {
				t.Errorf("query %d looked from %v to %v, want from %v to %v", i, got.From, got.To, want.From, want.To)
			}
		}
	})
}

func TestAQuestionEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &log{answer: make(chan error)}
		r := record.NewProgressReader(l, time.Now)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := r.Of(ctx, delivery.Delivery{ID: "x"}); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		l.answer <- nil // the query itself goes on
	})
}
