package batch

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// upper answers with capitals, when it may.
type upper struct {
	begin  chan struct{} // one for each answer that may begin
	asked  [][]string
	err    error
	mu     sync.Mutex
	atOnce atomic.Int32
	peak   int32
}

func (u *upper) answer(_ context.Context, asked []string) ([]string, error) {
	n := u.atOnce.Add(1)
	defer u.atOnce.Add(-1)
	u.mu.Lock()
	u.asked, u.peak = append(u.asked, asked), max(u.peak, n)
	u.mu.Unlock()
	<-u.begin
	answers := make([]string, len(asked))
	for i, q := range asked {
		answers[i] = strings.ToUpper(q)
	}
	return answers, u.err
}

// What is asked while an answer is under way is answered together, in parts of the
// size that is allowed.
func TestQuestionsAreAnsweredTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upper{begin: make(chan struct{})}
		a := New(3, 1, u.answer)
		var asking sync.WaitGroup
		for _, q := range []string{"a", "b", "c", "d", "e"} {
			asking.Go(func() {
				if got, err := a.Ask(t.Context(), q); err != nil || got != strings.ToUpper(q) {
					t.Errorf("%s: %q, %v", q, got, err)
				}
			})
			synctest.Wait()
		}
		for range 3 {
			u.begin <- struct{}{}
		}
		asking.Wait()
		synctest.Wait()
		if len(u.asked) != 3 || len(u.asked[0]) != 1 || len(u.asked[1]) != 3 || len(u.asked[2]) != 1 || u.peak != 1 {
			t.Errorf("asked %v, %d at once", u.asked, u.peak)
		}
		if a.running != 0 || len(a.pending) != 0 {
			t.Errorf("%d run, %d are pending", a.running, len(a.pending))
		}
	})
}

// A question whose asker has gone is answered in vain; the others get their answer.
func TestAnAskerMayGo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upper{begin: make(chan struct{})}
		a := New(3, 2, u.answer)
		gone, leave := context.WithCancelCause(t.Context())
		var asking sync.WaitGroup
		asking.Go(func() {
			if _, err := a.Ask(gone, "a"); !errors.Is(err, errGone) {
				t.Errorf("the asker that has gone: %v", err)
			}
		})
		synctest.Wait()
		leave(errGone)
		asking.Wait()
		asking.Go(func() {
			if got, err := a.Ask(t.Context(), "b"); err != nil || got != "B" {
				t.Errorf("%q, %v", got, err)
			}
		})
		synctest.Wait()
		close(u.begin)
		asking.Wait()
		synctest.Wait()
		if u.peak != 2 {
			t.Errorf("%d at once, want 2", u.peak)
		}
	})
}

var errGone = errors.New("gone")

// An error is the error of each that asked.
func TestAnErrorIsEveryAskers(t *testing.T) {
	t.Parallel()
	u := &upper{begin: make(chan struct{}), err: errGone}
	close(u.begin)
	a := New(3, 1, u.answer)
	if got, err := a.Ask(t.Context(), "a"); !errors.Is(err, errGone) || got != "" {
		t.Errorf("%q, %v", got, err)
	}
}
