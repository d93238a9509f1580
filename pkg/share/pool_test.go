package share_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/dialnote/webhooks/pkg/share"
)

func take(t *testing.T, p *share.Pool, holder string, n, times int) {
	t.Helper()
	for i := range times {
		if err := p.Try(holder, n); err != nil {
			t.Fatalf("%s takes %d, time %d: %v", holder, n, i+1, err)
		}
	}
}

// acquire begins to acquire, and returns when the caller waits or has what it wants.
// It must be called in a bubble.
func acquire(ctx context.Context, p *share.Pool, holder string, n int, done func(error)) {
	go func() { done(p.Acquire(ctx, holder, n)) }()
	synctest.Wait()
}

func TestAHolderThatHasItsShareWaitsAndOthersDoNot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := share.NewPool("x", share.Rule{Total: 8, Factor: 1}, 10)
		take(t, p, "greedy", 1, 4)
		if err := p.Try("greedy", 1); !errors.Is(err, share.ErrOverShare) {
			t.Errorf("more than its share: %v", err)
		}
		var served []int
		for i := range 3 {
			acquire(t.Context(), p, "greedy", 1, func(err error) {
				if err != nil {
					t.Error(err)
				}
				served = append(served, i)
			})
		}
		if err := p.Acquire(t.Context(), "other", 1); err != nil || len(served) > 0 {
			t.Errorf("the other: %v; served %v", err, served)
		}
		p.Release("other", 1)
		for want := 1; want <= 3; want++ {
			p.Release("greedy", 1)
			synctest.Wait()
			if len(served) != want {
				t.Errorf("after %d were given back %v were served", want, served)
			}
		}
		if !slices.Equal(served, []int{0, 1, 2}) {
			t.Errorf("served %v", served)
		}
	})
}

func TestHoldersAreServedInTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := share.NewPool("x", share.Rule{Total: 1, Factor: 1}, 100)
		take(t, p, "first", 1, 1)
		var served []string
		for _, holder := range []string{"a", "a", "a", "a", "b", "b", "c"} {
			acquire(t.Context(), p, holder, 1, func(error) { served = append(served, holder) })
		}
		last := "first"
		for range 7 {
			p.Release(last, 1)
			synctest.Wait()
			last = served[len(served)-1]
		}
		if got := strings.Join(served, ""); got != "abcabaa" {
			t.Errorf("served %s", got)
		}
	})
}

// A holder of nothing that wants much is not passed by those that want little.
func TestALargeWantIsNotPassedForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := share.NewPool("x", share.Rule{Total: 10, Factor: 1}, 100)
		take(t, p, "a", 1, 4)
		large, small := false, false
		acquire(t.Context(), p, "large", 9, func(error) { large = true })
		acquire(t.Context(), p, "small", 1, func(error) { small = true })
		if large || small {
			t.Fatalf("large %v, small %v", large, small)
		}
		for range 3 {
			p.Release("a", 1)
		}
		synctest.Wait()
		if !large || small {
			t.Errorf("when nine are free: large %v, small %v", large, small)
		}
		p.Release("large", 9)
		synctest.Wait()
		if !small {
			t.Error("the small one waits")
		}
	})
}

func TestWhoWaitsMayGiveUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := share.NewPool("x", share.Rule{Total: 2, Factor: 1}, 10)
		take(t, p, "a", 1, 1)
		take(t, p, "b", 1, 1)
		ctx, stop := context.WithCancel(t.Context())
		var gaveUp error
		acquire(ctx, p, "large", 2, func(err error) { gaveUp = err })
		served := false
		acquire(t.Context(), p, "c", 1, func(error) { served = true })
		p.Release("a", 1)
		synctest.Wait()
		if served {
			t.Error("one that came later was served")
		}
		stop()
		synctest.Wait()
		if !errors.Is(gaveUp, context.Canceled) || !served {
			t.Errorf("gave up with %v; the next was served: %v", gaveUp, served)
		}
		p.Release("b", 1)
		p.Release("c", 1)
		if err := p.Try("d", 2); err != nil {
			t.Errorf("after all was given back: %v", err)
		}
	})
}

// The line is shared as what is waited for.
func TestTheLineIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := share.NewPool("x", share.Rule{Total: 2, Factor: 1}, 4)
		take(t, p, "greedy", 1, 1)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var refused []error
		for range 3 {
			acquire(ctx, p, "greedy", 1, func(err error) {
				if !errors.Is(err, context.Canceled) {
					refused = append(refused, err)
				}
			})
		}
		if len(refused) != 1 || !errors.Is(refused[0], share.ErrOverShare) {
			t.Errorf("refused: %v, want one of three", refused)
		}
		if err := p.Acquire(ctx, "other", 3); !errors.Is(err, share.ErrFull) {
			t.Errorf("more than there is: %v", err)
		}
		take(t, p, "other", 1, 1)
		acquire(ctx, p, "third", 1, func(error) {})
		acquire(ctx, p, "fourth", 1, func(error) {})
		if err := p.Acquire(ctx, "fifth", 1); !errors.Is(err, share.ErrFull) {
			t.Errorf("behind a full line: %v", err)
		}
	})
}

// Many at once never have more than there is, and all get their turn.
func TestAPoolUnderLoad(t *testing.T) {
	t.Parallel()
	const total, holders, callers, rounds = 10, 7, 5, 200
	p := share.NewPool("x", share.Rule{Total: total, Factor: 1}, 1000)
	var used, most atomic.Int64
	var all sync.WaitGroup
	for h := range holders {
		for c := range callers {
			all.Go(func() {
				holder, n := fmt.Sprint(h), 1+c%3
				for range rounds {
					if err := p.Acquire(t.Context(), holder, n); err != nil {
						t.Error(err)
						return
					}
					now := used.Add(int64(n))
					for {
						if seen := most.Load(); now <= seen || most.CompareAndSwap(seen, now) {
							break
						}
					}
					used.Add(int64(-n))
					p.Release(holder, n)
				}
			})
		}
	}
	all.Wait()
	if most.Load() > total {
		t.Errorf("%d were used of %d", most.Load(), total)
	}
	if err := p.Try("last", total); err != nil {
		t.Errorf("at the end: %v", err)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := share.NewPool("requests", share.Rule{Total: 4, Factor: 1}, 2)
		registry := prometheus.NewRegistry()
		registry.MustRegister(p, share.NewPool("tests", share.Rule{Total: 3, Factor: 1}, 0))
		take(t, p, "a", 1, 2)
		_ = p.Try("a", 1)
		ctx, stop := context.WithCancel(t.Context())
		acquire(ctx, p, "a", 1, func(error) {})
		_ = p.Acquire(ctx, "a", 1)
		take(t, p, "b", 1, 1)
		take(t, p, "c", 1, 1)
		_ = p.Try("d", 1)
		want := `# HELP dialnote_held_back_total How often an organization or a client did not get at once its part of what all share, by why and by what followed.
# TYPE dialnote_held_back_total counter
dialnote_held_back_total{of="requests",reason="full",result="refused"} 1
dialnote_held_back_total{of="requests",reason="full",result="waits"} 0
dialnote_held_back_total{of="requests",reason="share",result="refused"} 2
dialnote_held_back_total{of="requests",reason="share",result="waits"} 1
dialnote_held_back_total{of="tests",reason="full",result="refused"} 0
dialnote_held_back_total{of="tests",reason="full",result="waits"} 0
dialnote_held_back_total{of="tests",reason="share",result="refused"} 0
dialnote_held_back_total{of="tests",reason="share",result="waits"} 0
# HELP dialnote_shared_limit How much there is of what all organizations or clients share.
# TYPE dialnote_shared_limit gauge
dialnote_shared_limit{of="requests"} 4
dialnote_shared_limit{of="tests"} 3
# HELP dialnote_shared_used How much is taken of what all organizations or clients share.
# TYPE dialnote_shared_used gauge
dialnote_shared_used{of="requests"} 4
dialnote_shared_used{of="tests"} 0
# HELP dialnote_shared_waiting Callers that wait for their part of what all organizations or clients share.
# TYPE dialnote_shared_waiting gauge
dialnote_shared_waiting{of="requests"} 1
dialnote_shared_waiting{of="tests"} 0
`
		if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
			t.Error(err)
		}
		stop()
		synctest.Wait()
	})
}
