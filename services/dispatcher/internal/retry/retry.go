// Package retry is how the dispatcher waits for its own parts (NATS, the
// database) to come back. How deliveries are retried is in pkg/delivery.
package retry

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/dialnote/webhooks/pkg/fault"
)

// Backoff returns how long to wait after the try-th failure, counted from 0:
// 50 ms doubling to 2 s, with jitter.
func Backoff(try int) time.Duration {
	const first, most = 50 * time.Millisecond, 2 * time.Second
	d := min(most, first<<min(try, 10))
	return d/2 + rand.N(d/2) //nolint:gosec // jitter needs no secret
}

// Until calls do until it succeeds or ctx ends; it then returns ctx's error. It
// logs the first failure as trouble and the recovery.
func Until(ctx context.Context, log *slog.Logger, trouble string, do func() error) error {
	for try := 0; ; try++ {
		err := do()
		if err == nil {
			if try > 0 {
				log.InfoContext(ctx, "over", slog.String("trouble", trouble), slog.Int("tries", try+1))
			}
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if try == 0 {
			log.WarnContext(ctx, "in trouble; trying until it works", slog.String("trouble", trouble), slog.Any("error", err))
		}
		Pause(ctx, Backoff(try))
	}
}

// WhileAway calls do again for as long as it returns a fault of kind
// Unavailable, as Until does, and returns any other error at once: waiting does
// not cure it, and whoever waits holds what others need.
func WhileAway(ctx context.Context, log *slog.Logger, trouble string, do func() error) error {
	var failure error
	err := Until(ctx, log, trouble, func() error {
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

// Pause waits for d or the end of ctx.
func Pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
