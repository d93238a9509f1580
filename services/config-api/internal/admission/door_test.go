package admission

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/quota"
	"github.com/dialnote/webhooks/pkg/store"
)

var errAway = errors.New("away")

// slow is an account that takes its time, or fails after it.
type slow struct {
	takes time.Duration
	used  int64
	err   error
}

func (s *slow) OrganizationUsage(context.Context, string) (quota.Usage, error) {
	time.Sleep(s.takes) //nolint:forbidigo // the bubble's own clock
	if s.err != nil {
		return quota.Usage{}, s.err
	}
	now := time.Now()
	return quota.Usage{Until: now, Hours: []quota.Hour{{Start: now.Truncate(time.Hour), Bytes: s.used}}}, nil
}

func (s *slow) Of(string) []store.OverQuota { return nil }

func (s *slow) door(t *testing.T) *Door {
	t.Helper()
	d, err := New(Options{
		Account: s, Over: s, Limits: quota.Limits{Events: 10_000}, Retention: 24 * time.Hour,
		Now: time.Now, Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.known.StopAllGoroutines() })
	return d
}

// A database that hangs holds up the first event of an organization for a moment, and
// no other; none is refused for it.
func TestEventsDoNotWaitForADatabaseThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &slow{takes: 5 * time.Second, err: errAway}
		d := s.door(t)
		began := time.Now()
		for range 3 {
			if err := d.Admit(t.Context(), "acme", 100); err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(began); took > 3*patience {
			t.Errorf("three events took %s", took)
		}
		time.Sleep(s.takes + distant) //nolint:forbidigo // the bubble's own clock
		synctest.Wait()
		s.err, s.takes = nil, 0
		if err := d.Admit(t.Context(), "acme", 100); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		s.takes = 5 * time.Second // it hangs again; what is known is used
		time.Sleep(distant)       //nolint:forbidigo // the bubble's own clock
		began = time.Now()
		if err := d.Admit(t.Context(), "acme", 100); err != nil || time.Since(began) > 0 {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		time.Sleep(s.takes) //nolint:forbidigo // the bubble's own clock
		synctest.Wait()
	})
}

// An event is refused by what is counted now, not by what was counted before.
func TestAnEventIsRefusedByWhatIsCountedNow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &slow{takes: time.Millisecond, used: 10_000}
		d := s.door(t)
		if err := d.Admit(t.Context(), "acme", 100); !fault.Is(err, fault.RateLimited) {
			t.Errorf("over the quota: %v", err)
		}
		synctest.Wait()
		s.used = 0
		time.Sleep(distant) //nolint:forbidigo // the bubble's own clock
		if err := d.Admit(t.Context(), "acme", 100); err != nil {
			t.Errorf("when there is room again: %v", err)
		}
		synctest.Wait()
	})
}

func TestWhatIsAcceptedIsForgottenWhenItIsCounted(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	at := func(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }
	var a accepted
	for i := range 10 { // two in each second
		a.add(at(float64(i)/2), 1)
	}
	for _, c := range []struct {
		counted time.Time
		want    int64
	}{
		{time.Time{}, 10}, {at(0), 10}, {at(4), 10}, {at(4.1), 8}, {at(5.1), 6}, {at(8), 2}, {at(8.1), 0},
	} {
		if got := a.since(c.counted); got != c.want {
			t.Errorf("counted until %s: %d bytes may not be counted yet, want %d", c.counted.Sub(start), got, c.want)
		}
	}
	a.forget(at(5.1))
	if got := a.since(time.Time{}); got != 6 {
		t.Errorf("after what is counted was forgotten: %d bytes", got)
	}
}

// While nothing is counted, what is accepted takes no more memory and still counts.
func TestWhatIsAcceptedTakesBoundedMemory(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	var a accepted
	for i := range 3 * most {
		a.add(start.Add(time.Duration(i)*time.Second), 1)
	}
	if got := a.since(time.Time{}); got != 3*most || len(a) != most {
		t.Errorf("%d bytes in %d seconds", got, len(a))
	}
}
