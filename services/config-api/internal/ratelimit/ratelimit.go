// Package ratelimit limits the requests of callers. Each replica counts by itself.
package ratelimit

import (
	"fmt"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/time/rate"
)

// Limit is a token bucket. The zero Limit allows everything.
type Limit struct {
	PerSecond float64 // requests a second, in the long run
	Burst     int     // requests at once, after a pause; below 1 counts as 1
}

// Limiter keeps a bucket for each key, for a bounded number of keys: the least
// used are forgotten, which gives them a full bucket again. Safe for concurrent
// use.
type Limiter struct {
	limit   Limit
	buckets *otter.Cache[string, *rate.Limiter] // nil when everything is allowed
}

// idle is how long a key's bucket outlives its last request. It is full again
// long before, or its owner gains little.
const idle = 10 * time.Minute

// New returns a Limiter for at most keys keys at a time, which must be positive.
func New(limit Limit, keys int) (*Limiter, error) {
	if limit.PerSecond <= 0 {
		return &Limiter{}, nil
	}
	buckets, err := otter.New(&otter.Options[string, *rate.Limiter]{
		MaximumSize:      keys,
		ExpiryCalculator: otter.ExpiryAccessing[string, *rate.Limiter](idle),
	})
	if err != nil {
		return nil, fmt.Errorf("make rate limiter of %d keys: %w", keys, err)
	}
	limit.Burst = max(limit.Burst, 1)
	return &Limiter{limit: limit, buckets: buckets}, nil
}

// Take takes a request from the key's bucket and returns 0. When the bucket is
// empty it takes nothing and returns how long to wait for the next one.
func (l *Limiter) Take(key string, now time.Time) (wait time.Duration) {
	if l.buckets == nil {
		return 0
	}
	bucket, _ := l.buckets.ComputeIfAbsent(key, func() (*rate.Limiter, bool) {
		return rate.NewLimiter(rate.Limit(l.limit.PerSecond), l.limit.Burst), false
	})
	taken := bucket.ReserveN(now, 1)
	if wait = taken.DelayFrom(now); wait > 0 {
		taken.CancelAt(now)
	}
	return wait
}
