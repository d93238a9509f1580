package store

import (
	"fmt"
	"strings"
	"time"
)

// BlockedError is why a migration was not made: sessions hold locks on the tables
// that it changes. It did not wait for them, because what deliveries write would have
// waited behind it; the caller tries again. It is of the kind of its cause,
// Unavailable.
type BlockedError struct {
	Holders []LockHolder // those that could be seen
	Cause   error
}

// LockHolder is a session that holds locks.
type LockHolder struct {
	PID         int       `db:"pid"`
	Application string    `db:"application_name"`
	Role        string    `db:"usename"`
	Began       time.Time `db:"query_start"` // its last query; zero when that may not be seen
}

// Error names the holders and says what to do.
func (e *BlockedError) Error() string {
	text := "the migration waits for locks that other sessions hold, and deliveries go on meanwhile"
	if who := e.Who(); who != "" {
		text += ": wait for them, or end them with pg_terminate_backend: " + who
	}
	return text + ": " + e.Cause.Error()
}

// Who returns the holders in words.
func (e *BlockedError) Who() string {
	words := make([]string, 0, len(e.Holders))
	for _, h := range e.Holders {
		since := "at a time that only pg_read_all_stats may see"
		if !h.Began.IsZero() {
			since = h.Began.UTC().Format(time.RFC3339)
		}
		words = append(words, fmt.Sprintf("pid %d, application %q of role %s, whose query began %s", h.PID, h.Application, h.Role, since))
	}
	return strings.Join(words, "; ")
}

// Unwrap returns the cause.
func (e *BlockedError) Unwrap() error { return e.Cause }
