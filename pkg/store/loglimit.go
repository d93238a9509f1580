package store

import (
	"context"
	"time"
)

// LogSize bounds the log in bytes.
type LogSize interface {
	// MeasureLog returns how many bytes the log takes, with its indexes, and the day in
	// UTC in which its oldest attempt began; zero when there is none. With SQLite it is
	// the whole database, without what is free in its file.
	MeasureLog(ctx context.Context) (bytes int64, oldest time.Time, err error)

	// ShortenLog removes the oldest attempts while the log takes more than bytes, and
	// returns whether it has removed any. LogKept is always kept.
	ShortenLog(ctx context.Context, now time.Time, bytes int64) (bool, error)
}

// LogKept is how much of the log stays, however large it is: retries that are due look
// up what was tried.
const LogKept = 24 * time.Hour
