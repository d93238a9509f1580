package backoff_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dialnote/webhooks/pkg/backoff"
	"github.com/dialnote/webhooks/pkg/fault"
)

var errBroken = errors.New("broken")

func away() error { return fault.New(fault.Unavailable, "away", "Away.") }

func TestBackoffGrowsToItsBound(t *testing.T) {
	t.Parallel()
	for try, most := range map[int]time.Duration{0: 50 * time.Millisecond, 1: 100 * time.Millisecond, 5: 1600 * time.Millisecond, 6: 2 * time.Second, 1000: 2 * time.Second} {
		for range 100 {
			if d := backoff.Pause(try); d < most/2 || d >= most {
				t.Errorf("try %d: %s, want %s to %s", try, d, most/2, most)
			}
		}
	}
}

func TestUntilItSucceeds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		tries := 0
		err := backoff.Retry(t.Context(), slog.New(slog.NewTextHandler(&text, nil)), backoff.Store, "read the log", func() error {
			if tries++; tries < 20 {
				return errBroken
			}
			return nil
		})
		if err != nil || tries != 20 {
			t.Errorf("%v after %d tries", err, tries)
		}
		if lines := strings.Count(text.String(), "\n"); lines != 2 {
			t.Errorf("%d lines for one trouble and its end:\n%s", lines, text.String())
		}
	})
}

func TestUntilTheContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		err := backoff.Retry(ctx, slog.New(slog.DiscardHandler), backoff.Broker, "put a delivery aside", away)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 10*time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

func TestWhileAwayWaitsForNothingElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		answers := []error{away(), away(), errBroken, nil}
		err := backoff.RetryUnavailable(t.Context(), slog.New(slog.DiscardHandler), backoff.Store, "read the log", func() error {
			next := answers[0]
			answers = answers[1:]
			return next
		})
		if !errors.Is(err, errBroken) || len(answers) != 1 {
			t.Errorf("%v with %d answers left", err, len(answers))
		}
		if err := backoff.RetryUnavailable(t.Context(), slog.New(slog.DiscardHandler), backoff.Store, "read the log", func() error { return nil }); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := backoff.RetryUnavailable(ctx, slog.New(slog.DiscardHandler), backoff.Store, "read the log", away); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("away for ever: %v", err)
		}
	})
}
