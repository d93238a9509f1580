package sqlstore

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/dialnote/webhooks/pkg/store"
)

// tolerated is how far a clock may be off without being corrected: a measurement has
// an error, and times of before and after a correction do not agree.
const tolerated = time.Second

// skew is what the last call of Clock measured. The zero value is no skew.
type skew struct{ measured atomic.Pointer[store.Skew] }

// Clock implements store.Operators.
func (s *Store) Clock(ctx context.Context) (time.Time, error) {
	var seconds float64
	asked := time.Now()
	if err := s.Reader.GetContext(ctx, &seconds, s.Dialect.Clock); err != nil {
		return time.Time{}, s.Explain(ctx, "read the database's clock", err)
	}
	trip := time.Since(asked)
	there := time.UnixMicro(int64(seconds * 1e6)).UTC()
	s.skew.measured.Store(&store.Skew{Ahead: asked.Add(trip / 2).Sub(there), Precision: trip / 2})
	return there, nil
}

// Skew implements store.Clocks.
func (s *Store) Skew() store.Skew {
	if measured := s.skew.measured.Load(); measured != nil {
		return *measured
	}
	return store.Skew{}
}

// Now implements store.Clocks.
func (s *Store) Now() time.Time {
	now := time.Now()
	if skew := s.Skew(); skew.AtLeast(tolerated) {
		return now.Add(-skew.Ahead)
	}
	return now
}
