// Package backoff waits for NATS and the database to come back. How deliveries
// are retried is in package delivery.
package backoff

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/dialnote/webhooks/pkg/fault"
)

// Part is what a caller waits for.
type Part int

// The parts.
const (
	Store  Part = iota // the database
	Broker             // NATS
)

// Exponential returns the pause after the failure number try, counted from 0:
// first, doubled with each failure, at most most.
func Exponential(first, most time.Duration, try int) time.Duration {
	return min(most, first<<min(try, 10))
}

// Jittered returns a random duration between half of d and d, so that callers
// that failed together do not try again together.
func Jittered(d time.Duration) time.Duration {
	return d/2 + rand.N(d/2) //nolint:gosec // jitter needs no secret
}

// Pause returns the pause that the dispatcher makes after the failure number try,
// counted from 0: 50 ms doubling to 2 s, with jitter.
func Pause(try int) time.Duration {
	return Jittered(Exponential(50*time.Millisecond, 2*time.Second, try))
}

// Sleep waits for d or the end of ctx.
func Sleep(ctx context.Context, d time.Duration) { Signal(nil).Sleep(ctx, d) }

// Retry calls do until it succeeds or ctx ends; then it returns ctx's error. It
// logs the first failure and the recovery, with the name of the operation.
func Retry(ctx context.Context, log *slog.Logger, part Part, operation string, do func() error) error {
	for try := 0; ; try++ {
		err := do()
		switch {
		case err == nil && try == 0:
			return nil
		case err == nil:
			recovered(ctx, log, part, slog.String("operation", operation), slog.Int("tries", try+1))
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case try == 0:
			unavailable(ctx, log, part, slog.String("operation", operation), slog.Any("error", err))
		}
		Sleep(ctx, Pause(try))
	}
}

// RetryUnavailable is Retry, but returns any error at once that is not of kind
// Unavailable: waiting does not cure it.
func RetryUnavailable(ctx context.Context, log *slog.Logger, part Part, operation string, do func() error) error {
	var failure error
	err := Retry(ctx, log, part, operation, func() error {
		if failure = do(); fault.Is(failure, fault.Unavailable) {
			return failure
		}
		return nil
	})
	if err != nil {
		return err
	}
	return failure
}

// Read is RetryUnavailable of a function that returns a value.
func Read[T any](ctx context.Context, log *slog.Logger, part Part, operation string, read func() (T, error)) (value T, err error) {
	err = RetryUnavailable(ctx, log, part, operation, func() error {
		value, err = read()
		return err
	})
	return value, err
}

// The messages are whole sentences of their own, so that they can be searched for
// and alerted on.
func unavailable(ctx context.Context, log *slog.Logger, part Part, attrs ...slog.Attr) {
	switch part {
	case Store:
		log.LogAttrs(ctx, slog.LevelWarn, "store unavailable, retrying", attrs...)
	case Broker:
		log.LogAttrs(ctx, slog.LevelWarn, "broker unavailable, retrying", attrs...)
	}
}

func recovered(ctx context.Context, log *slog.Logger, part Part, attrs ...slog.Attr) {
	switch part {
	case Store:
		log.LogAttrs(ctx, slog.LevelInfo, "store recovered", attrs...)
	case Broker:
		log.LogAttrs(ctx, slog.LevelInfo, "broker recovered", attrs...)
	}
}
