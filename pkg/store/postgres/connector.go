package postgres

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// endGrace is how long a statement may go on after its context has ended: for the
// server's answer to the request to cancel it. A server that is frozen gives none,
// and the driver would wait for it without end.
const endGrace = time.Second

// connector makes the connections of a pool. It passes over those of before a
// failover, and bounds how long a connection is waited for after a context's end.
type connector struct {
	driver.Connector
	epoch *epoch
}

// openedKey is the context's key of where the dialer leaves the connection it made.
type openedKey struct{}

// Connect implements driver.Connector. Its error is a *connectError.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	var opened net.Conn
	began := c.epoch.now()
	made, err := c.Connector.Connect(context.WithValue(ctx, openedKey{}, &opened))
	if err != nil {
		return nil, &connectError{err}
	}
	full, is := made.(driverConn)
	if !is || opened == nil {
		_ = made.Close()
		return nil, &connectError{fmt.Errorf("the driver's connection %T lacks what is needed of it", made)}
	}
	cn := &conn{driverConn: full, net: opened, epoch: c.epoch, made: began}
	if cn.readOnly, err = readOnly(ctx, cn); err != nil {
		_ = made.Close()
		return nil, &connectError{err}
	}
	return cn, nil
}

// readOnly reports whether an operator has made the session read only, for the role
// or the database. Our transactions must not pass over that, as the driver's BEGIN
// READ WRITE does: what is written to a database that was set aside is lost.
func readOnly(ctx context.Context, cn *conn) (bool, error) {
	found, err := cn.QueryContext(ctx, `SHOW default_transaction_read_only`, nil)
	if err != nil {
		return false, err
	}
	setting := make([]driver.Value, 1)
	err = found.Next(setting)
	return fmt.Sprintf("%s", setting[0]) == "on", errors.Join(err, found.Close())
}

// errReadOnly is what the server answers to a write in such a session.
func errReadOnly() error {
	return &pq.Error{Severity: "ERROR", Code: pqerror.ReadOnlySQLTransaction, Message: "the session is read only"}
}

// epoch counts how often the server has refused to write. A server that does so
// has become a standby, and the address leads to another one by now: connections
// of before are of no use, though they are open.
type epoch struct {
	mu    sync.Mutex
	count uint64
	since time.Time
}

// shortestEpoch is how long an epoch lasts at least, so that connections are not made
// without end while each server that is reached refuses.
const shortestEpoch = time.Second

func (e *epoch) now() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.count
}

func (e *epoch) end(at time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if at.Sub(e.since) >= shortestEpoch {
		e.count, e.since = e.count+1, at
	}
}

// driverConn is what database/sql and this package use of the driver's connection.
type driverConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
	driver.NamedValueChecker
}

// conn is one connection.
type conn struct {
	driverConn
	net      net.Conn
	epoch    *epoch
	made     uint64      // the epoch in which it was made
	readOnly bool        // by the settings of role or database
	spent    atomic.Bool // it is not to be used again
}

// IsValid implements driver.Validator.
func (c *conn) IsValid() bool {
	return !c.spent.Load() && c.made == c.epoch.now() && c.driverConn.IsValid()
}

// ResetSession implements driver.SessionResetter.
func (c *conn) ResetSession(ctx context.Context) error {
	if !c.IsValid() {
		return driver.ErrBadConn
	}
	return c.driverConn.ResetSession(ctx) //nolint:wrapcheck // database/sql expects the driver's errors.
}

// Ping implements driver.Pinger.
func (c *conn) Ping(ctx context.Context) error {
	defer c.until(ctx)()
	return c.driverConn.Ping(ctx) //nolint:wrapcheck // database/sql expects the driver's errors.
}

// ExecContext implements driver.ExecerContext.
func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	defer c.until(ctx)()
	result, err := c.driverConn.ExecContext(ctx, query, args)
	return result, c.judged(err)
}

// QueryContext implements driver.QueryerContext.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return c.query(ctx, func() (driver.Rows, error) { return c.driverConn.QueryContext(ctx, query, args) })
}

func (c *conn) query(ctx context.Context, do func() (driver.Rows, error)) (driver.Rows, error) {
	release := c.until(ctx)
	found, err := do()
	if err != nil {
		release()
		return nil, c.judged(err)
	}
	return &rows{found, release}, nil
}

// PrepareContext implements driver.ConnPrepareContext.
func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	defer c.until(ctx)()
	made, err := c.driverConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, c.judged(err)
	}
	if prepared, is := made.(driverStmt); is {
		return &stmt{prepared, c}, nil
	}
	return made, nil // a COPY, which the transaction's context bounds
}

// BeginTx implements driver.ConnBeginTx.
func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if c.readOnly && !opts.ReadOnly {
		return nil, c.judged(errReadOnly())
	}
	release := c.until(ctx)
	begun, err := c.driverConn.BeginTx(ctx, opts)
	if err != nil {
		release()
		return nil, c.judged(err)
	}
	return &tx{begun, release}, nil
}

// judged returns the error, and sees to it that the pool drops connections to a
// server that cannot write.
func (c *conn) judged(err error) error {
	if err != nil && refusesWrites(err) {
		c.spent.Store(true)
		c.epoch.end(time.Now())
	}
	return err
}

// until bounds what is waited for on the connection, from ctx's end on. The caller
// calls release when it no longer waits.
func (c *conn) until(ctx context.Context) (release func()) {
	stop := context.AfterFunc(ctx, func() {
		c.spent.Store(true)
		_ = c.net.SetDeadline(time.Now().Add(endGrace)) // it fails when the connection is closed
	})
	return func() { stop() }
}

// rows ends what bounds a query when the last row is read.
type rows struct {
	driver.Rows
	release func()
}

// Close implements driver.Rows.
func (r *rows) Close() error {
	defer r.release()
	return r.Rows.Close() //nolint:wrapcheck // database/sql expects the driver's errors.
}

// tx ends what bounds a transaction.
type tx struct {
	driver.Tx
	release func()
}

// Commit implements driver.Tx.
func (t *tx) Commit() error {
	defer t.release()
	return t.Tx.Commit() //nolint:wrapcheck // database/sql expects the driver's errors.
}

// Rollback implements driver.Tx.
func (t *tx) Rollback() error {
	defer t.release()
	return t.Tx.Rollback() //nolint:wrapcheck // database/sql expects the driver's errors.
}

// driverStmt is what database/sql uses of the driver's prepared statement.
type driverStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// stmt is a prepared statement.
type stmt struct {
	driverStmt
	conn *conn
}

// ExecContext implements driver.StmtExecContext.
func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	defer s.conn.until(ctx)()
	result, err := s.driverStmt.ExecContext(ctx, args)
	return result, s.conn.judged(err)
}

// QueryContext implements driver.StmtQueryContext.
func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.conn.query(ctx, func() (driver.Rows, error) { return s.driverStmt.QueryContext(ctx, args) })
}

// CheckNamedValue implements driver.NamedValueChecker, as the connection does.
func (s *stmt) CheckNamedValue(v *driver.NamedValue) error {
	return s.conn.CheckNamedValue(v) //nolint:wrapcheck // database/sql expects the driver's errors.
}
