package load_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/services/hooklab/load"
	"github.com/dialnote/webhooks/services/hooklab/traffic"
)

type publisherFunc func(context.Context, event.Event) error

func (f publisherFunc) Publish(ctx context.Context, e event.Event) error { return f(ctx, e) }

func source() func() (event.Event, error) {
	return traffic.New(traffic.Options{Organization: "acme"}).Next
}

func TestKeepsTheRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var at []time.Duration
		report, err := load.Run(t.Context(), publisherFunc(func(context.Context, event.Event) error {
			at = append(at, time.Since(start))
			<-time.After(time.Second / 20) // the bubble's clock: a publisher that takes 50 ms
			return nil
		}), load.Plan{Count: 5, Rate: 10, Next: source()})
		if err != nil {
			t.Fatal(err)
		}
		const step = time.Second / 10
		if want := []time.Duration{0, step, 2 * step, 3 * step, 4 * step}; !slices.Equal(at, want) {
			t.Errorf("published at %v, want %v", at, want)
		}
		if report.Accepted != 5 || report.P50 != step/2 || report.Max != step/2 || report.Elapsed != 4*step+step/2 {
			t.Errorf("report %+v", report)
		}
	})
}

func TestAStallShowsInEveryEventThatWaited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first := true
		report, err := load.Run(t.Context(), publisherFunc(func(context.Context, event.Event) error {
			if first {
				first = false
				<-time.After(time.Second) // the bubble's clock
			}
			return nil
		}), load.Plan{Count: 10, Rate: 10, Next: source()})
		if err != nil {
			t.Fatal(err)
		}
		// Due every 100 ms and all sent after a second: 1 s, 900 ms, … 100 ms.
		if report.P50 != 500*time.Millisecond || report.P90 != 900*time.Millisecond || report.Max != time.Second {
			t.Errorf("p50 %s, p90 %s, max %s", report.P50, report.P90, report.Max)
		}
	})
}

func TestConcurrencyIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int64
		report, err := load.Run(t.Context(), publisherFunc(func(context.Context, event.Event) error {
			most.Store(max(most.Load(), now.Add(1)))
			<-time.After(time.Millisecond) // the bubble's clock
			now.Add(-1)
			return nil
		}), load.Plan{Count: 100, Concurrency: 7, Next: source()})
		if err != nil || report.Accepted != 100 || most.Load() != 7 {
			t.Errorf("report %+v, %d at once, %v", report, most.Load(), err)
		}
	})
}

func TestTriesAgainWithinItsPatience(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tries := map[string]int{}
		var accepted []string
		gone := errors.New("gone")
		report, err := load.Run(t.Context(), publisherFunc(func(_ context.Context, e event.Event) error {
			tries[e.ID]++
			switch n := len(tries); {
			case n == 1 && tries[e.ID] < 4:
				return fault.New(fault.Unavailable, "away", "Away.").Because(gone)
			case n == 2: // never comes back
				return fault.New(fault.RateLimited, "busy", "Busy.")
			case n == 3:
				return gone // not worth trying again
			}
			return nil
		}), load.Plan{Count: 4, Patience: time.Second, Next: source(), Accepted: func(e event.Event) {
			accepted = append(accepted, e.ID)
		}})
		if err != nil {
			t.Fatal(err)
		}
		if report.Accepted != 2 || report.Failed != 2 || len(accepted) != 2 || !fault.Is(report.FirstError, fault.RateLimited) {
			t.Errorf("report %+v, accepted %v", report, accepted)
		}
		counts := slices.Sorted(func(yield func(int) bool) {
			for _, n := range tries {
				if !yield(n) {
					return
				}
			}
		})
		if want := []int{1, 1, 4, 11}; !slices.Equal(counts, want) || report.Retries != 3+10 {
			t.Errorf("tries %v, want %v; %d retries", counts, want, report.Retries)
		}
		if text := report.String(); !strings.Contains(text, "accepted 2 of 4 events") || !strings.Contains(text, "first of 2 failures: busy") {
			t.Errorf("report %q", text)
		}
	})
}

func TestStopsWithTheContextAndTheSource(t *testing.T) {
	t.Parallel()
	reason := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	report, err := load.Run(ctx, publisherFunc(func(context.Context, event.Event) error {
		cancel(reason)
		return nil
	}), load.Plan{Count: 1000, Next: source()})
	if !errors.Is(err, reason) || report.Accepted != 1 {
		t.Errorf("report %+v, %v", report, err)
	}
	_, err = load.Run(t.Context(), publisherFunc(func(context.Context, event.Event) error { return nil }),
		load.Plan{Count: 1, Next: func() (event.Event, error) { return event.Event{}, reason }})
	if !errors.Is(err, reason) {
		t.Errorf("a failing source: %v", err)
	}
	report, err = load.Run(t.Context(), nil, load.Plan{Next: source()})
	if err != nil || report.Accepted != 0 || report.Rate() < 0 {
		t.Errorf("nothing to do: %+v, %v", report, err)
	}
}

func TestAPI(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var got []string
	status := http.StatusAccepted
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		body := new(strings.Builder)
		_ = r.Write(body)
		got = append(got, body.String())
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"type":"about:blank","detail":"The broker is away."}`))
	}))
	defer server.Close()
	api := load.NewAPI(server.URL+"/", "secret-token", 1)
	defer api.Close()
	e, err := source()()
	if err != nil {
		t.Fatal(err)
	}
	if err := api.Publish(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"POST /v1/organizations/acme/events HTTP/1.1\r\n", "Authorization: Bearer secret-token\r\n", "Content-Type: application/json\r\n", string(e.Body())} {
		if !strings.Contains(got[0], want) {
			t.Errorf("request %q lacks %q", got[0], want)
		}
	}
	for answered, want := range map[int]fault.Kind{503: fault.Unavailable, 502: fault.Unavailable, 429: fault.RateLimited, 401: fault.Internal, 200: fault.Internal} {
		mu.Lock()
		status = answered
		mu.Unlock()
		err := api.Publish(t.Context(), e)
		if !fault.Is(err, want) || !strings.Contains(err.Error(), "The broker is away.") {
			t.Errorf("%d: %v", answered, err)
		}
	}
	server.Close()
	if err := api.Publish(t.Context(), e); !fault.Is(err, fault.Unavailable) {
		t.Errorf("no server: %v", err)
	}
}
