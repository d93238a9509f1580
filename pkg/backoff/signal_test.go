package backoff_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dialnote/webhooks/pkg/backoff"
)

func TestASignalEndsASleep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := backoff.NewSignal()
		slept := func(ctx context.Context, d time.Duration) time.Duration {
			began := time.Now()
			s.Sleep(ctx, d)
			return time.Since(began)
		}
		if took := slept(t.Context(), time.Minute); took != time.Minute {
			t.Errorf("without a signal it slept for %s", took)
		}
		time.AfterFunc(time.Second, s.Set)
		if took := slept(t.Context(), time.Minute); took != time.Second {
			t.Errorf("a signal ended the sleep after %s", took)
		}
		s.Set()
		s.Set() // is kept as one
		if took := slept(t.Context(), time.Minute); took != 0 {
			t.Errorf("a signal that was sent before ended the sleep after %s", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if took := slept(ctx, time.Minute); took != time.Second {
			t.Errorf("the context ended the sleep after %s", took)
		}
	})
}
