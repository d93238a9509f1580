// Package sqlstore is the part of the storage port that is the same for every
// SQL database. Statements are written with ? and rebound; what differs is in
// a Dialect, and in the adapters that embed Store.
package sqlstore

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/dialnote/webhooks/pkg/secretbox"
)

// Dialect is what differs between databases.
type Dialect struct {
	// ForUpdate stands at the end of a SELECT that locks its rows; empty where
	// a transaction is alone anyway.
	ForUpdate string

	// LockOrganization is a statement that keeps other transactions from
	// adding webhooks to the organization in its one parameter; empty where a
	// transaction is alone anyway.
	LockOrganization string

	// Time returns what a time is kept as. It is not called for a zero time.
	Time func(time.Time) any

	// WriteHealth writes the health of each webhook, its version and its time
	// of change.
	WriteHealth func(context.Context, *sqlx.Tx, []WebhookRow) error

	// WriteAttempts writes attempts to the log, within the transaction that runs
	// on the connection. It returns an error that Repeated recognizes when one is
	// there already, unless it can write the others all the same.
	WriteAttempts func(context.Context, *sqlx.Conn, *sqlx.Tx, []AttemptRow) error

	// WriteHours adds the counts of each row to those of its webhook's hour, and
	// replaces the tallies.
	WriteHours func(context.Context, *sqlx.Tx, []HourRow) error

	// Progress returns what is recorded of each of the deliveries in its one
	// parameter, which List makes. It forces one probe of an index for each: given a
	// list, the planner would read the whole partition of a day that is not analyzed
	// yet.
	Progress string

	// List returns what a list of texts is passed as.
	List func([]string) any

	// Clock returns the server's time in seconds since 1970, as a fraction, and
	// Engine its name and version.
	Clock, Engine string

	// HasTable counts the tables with the name in its one parameter.
	HasTable string

	// Repeated reports whether the error says that a row is already there.
	Repeated func(error) bool

	// Retryable reports whether the transaction lost against another one and
	// can be run again.
	Retryable func(error) bool

	// Away reports whether the database could not be reached or refuses to work: any
	// error that is not the fault of a row that was to be written.
	Away func(error) bool

	// Remedy returns what an operator can do about an error that is Away, "" for
	// nothing that its text does not say. It may be nil.
	Remedy func(error) string

	// TryWrite are statements that fail when an attempt could not be recorded, and
	// change nothing; empty where there is no such thing.
	TryWrite string
}

// Store is the shared part. What people and programs read of the log, the audit
// log and the statistics goes to LogReader, so that however many ask, the other
// reads have their connections, and the deliveries with them. The other reads go
// to Reader, everything else to Writer; those two may be the same.
type Store struct {
	Reader    *sqlx.DB
	LogReader *sqlx.DB
	Writer    *sqlx.DB
	Box       secretbox.Box
	Dialect   Dialect

	// MostLooked is how many rows of the log one call of ListDeliveries or
	// ListEntries looks at before it returns what it has found; 0 is 10,000.
	MostLooked int

	refused atomic.Bool // the database was away since Writable wrote last

	skew skew

	noted instants // audit entries
	all   prepared // the query of All, which each dispatcher asks for each organization
}

// Ping reports whether the database answers: nil, or Unavailable.
func (s *Store) Ping(ctx context.Context) error {
	return s.Explain(ctx, "ping database", s.Reader.PingContext(ctx))
}

// Writable implements store.Store. After a transaction that the database refused it
// writes a row of no meaning: only that shows whether there is room again.
func (s *Store) Writable(ctx context.Context) error {
	err := s.Transact(ctx, "see whether the database can be written", func(tx *sqlx.Tx) error {
		if s.Dialect.TryWrite == "" {
			return nil
		}
		_, err := tx.ExecContext(ctx, s.Dialect.TryWrite)
		return err //nolint:wrapcheck // Transact names the operation.
	})
	if err != nil || !s.refused.Load() {
		return err
	}
	key := fmt.Sprintf("writable %016x", rand.Uint64()) //nolint:gosec // no secret
	if _, err := s.Begin(ctx, key, []byte("writable"), s.Now(), time.Minute); err != nil {
		return err
	}
	if err := s.Abandon(ctx, key); err != nil {
		return err
	}
	s.refused.Store(false)
	return nil
}

// Close closes the connections.
func (s *Store) Close() error {
	var err error
	for _, db := range s.pools() {
		err = errors.Join(err, db.Close())
	}
	if err != nil {
		return fmt.Errorf("close database: %w", err)
	}
	return nil
}

// attemptsAtTransaction bounds how often a transaction that loses against
// others is run. With locks taken in order, losing twice is rare already.
const attemptsAtTransaction = 6

// Transact runs do in a transaction, again when it lost against another one,
// and explains its error as of op. do may run more than once.
func (s *Store) Transact(ctx context.Context, op string, do func(*sqlx.Tx) error) error {
	return s.transact(ctx, op, func() error { return s.transactOnce(ctx, do) })
}

// transact runs a whole transaction, again when it lost against another one.
func (s *Store) transact(ctx context.Context, op string, once func() error) error {
	for attempt := 1; ; attempt++ {
		err := once()
		if err == nil || attempt == attemptsAtTransaction || !s.Dialect.Retryable(err) {
			return s.Explain(ctx, op, err)
		}
		if err := pause(ctx, attempt); err != nil {
			return s.Explain(ctx, op, err)
		}
	}
}

func (s *Store) transactOnce(ctx context.Context, do func(*sqlx.Tx) error) error {
	tx, err := s.Writer.BeginTxx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	return finish(tx, do)
}

// transactOn is transactOnce with the connection at hand, for what the driver
// does better than database/sql. Connections that ended while they were idle are
// passed over: after a restart of the server all of them have.
func (s *Store) transactOn(ctx context.Context, do func(*sqlx.Conn, *sqlx.Tx) error) error {
	most := s.Writer.Stats().MaxOpenConnections // of those that can have ended; the one after them is new
	for passed := 0; ; passed++ {
		conn, err := s.Writer.Connx(ctx)
		if err != nil {
			return fmt.Errorf("begin: %w", err)
		}
		tx, err := conn.BeginTxx(ctx, nil)
		if err == nil {
			err = finish(tx, func(tx *sqlx.Tx) error { return do(conn, tx) })
			_ = conn.Close() // gives it back
			return err
		}
		_ = conn.Close() // it did nothing
		if passed == most || !errors.Is(err, driver.ErrBadConn) {
			return fmt.Errorf("begin: %w", err)
		}
	}
}

// finish commits what do does, or rolls it back.
func finish(tx *sqlx.Tx, do func(*sqlx.Tx) error) error {
	// After a commit this does nothing; before, the first error counts.
	defer func() { _ = tx.Rollback() }()
	if err := do(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// pause waits a few random milliseconds, more with every attempt, so that
// transactions that collided do not collide again.
func pause(ctx context.Context, attempt int) error {
	most := 5 * time.Millisecond << attempt
	t := time.NewTimer(rand.N(most)) //nolint:gosec // Spreading load is no secret.
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait to run again: %w", ctx.Err())
	}
}
