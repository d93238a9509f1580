// Package postgres is the storage port on Postgres 14 or later: the adapter
// for production.
package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/dialnote/webhooks/pkg/secretbox"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/store/internal/sqlstore"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Pool and server-side bounds. A parameter of the same name in the DSN wins.
const (
	maxConnections        = 12 // of one process; servers allow 100 by default
	maxLogConnections     = 4  // more, for reading logs and statistics
	maxConnectionIdle     = 5 * time.Minute
	maxConnectionLifetime = 30 * time.Minute // so that a failover's new server gets its share

	connectTimeout    = 5 * time.Second
	statementTimeout  = "30s" // longer than any statement of ours takes
	lockTimeout       = "5s"  // so that what waits for an operator's lock is answered
	idleInTransaction = "30s" // frees the locks of a process that hangs in a transaction
	jit               = "off" // compiling a statement took 30 ms where running it takes one
)

// Store is the storage port on Postgres.
type Store struct {
	*sqlstore.Store
}

// Open connects, brings the schema up to date, and prepares the log's
// partitions. It returns Unavailable when the server does not answer within
// seconds; whether to try again is the caller's choice.
func Open(ctx context.Context, dsn string, box secretbox.Box) (*Store, error) {
	s, err := connect(dsn, box)
	if err != nil {
		return nil, err
	}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Attach connects and leaves the schema as it is; see Schema. It returns
// Unavailable as Open does.
func Attach(ctx context.Context, dsn string, box secretbox.Box) (*Store, error) {
	s, err := connect(dsn, box)
	if err != nil {
		return nil, err
	}
	if err := s.Ping(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Schema implements store.Operators.
func (s *Store) Schema(ctx context.Context) (store.Schema, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return store.Schema{}, fmt.Errorf("open migrations: %w", err)
	}
	return s.SchemaBy(ctx, files)
}

func (s *Store) prepare(ctx context.Context) error {
	if err := s.Ping(ctx); err != nil {
		return err
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("open migrations: %w", err)
	}
	if err := s.migrate(ctx, files); err != nil {
		return err
	}
	now, err := s.Clock(ctx)
	if err != nil {
		return err
	}
	err = s.EnsurePartitions(ctx, now)
	if pq.As(err, pqerror.LockNotAvailable) != nil {
		// A backup that reads the log must not keep a service from starting:
		// the default partition serves until Prune makes the others.
		return nil
	}
	return err
}

// connect returns a store without any connection yet.
func connect(dsn string, box secretbox.Box) (*Store, error) {
	cfg, err := pq.NewConfig(dsn)
	if err != nil {
		// The URL holds a password. url.Error quotes it, and its cause may quote a part.
		if _, ok := errors.AsType[*url.Error](err); ok {
			err = errors.New("it is no URL: write special characters of user and password as %xx")
		}
		return nil, fmt.Errorf("read database URL: %w", err)
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = connectTimeout
	}
	cfg.FallbackApplicationName = "dialnote-webhooks"
	if cfg.Runtime == nil {
		cfg.Runtime = make(map[string]string)
	}
	for name, value := range map[string]string{
		"statement_timeout": statementTimeout, "lock_timeout": lockTimeout, "idle_in_transaction_session_timeout": idleInTransaction, "jit": jit,
	} {
		if _, chosen := cfg.Runtime[name]; !chosen {
			cfg.Runtime[name] = value
		}
	}
	made, err := pq.NewConnectorConfig(cfg)
	if err != nil {
		return nil, fmt.Errorf("read database URL: %w", err)
	}
	made.Dialer(newDialer())
	connector := &connector{made, &epoch{}}
	db := pool(connector, maxConnections)
	return &Store{&sqlstore.Store{Reader: db, LogReader: pool(connector, maxLogConnections), Writer: db, Box: box, Dialect: dialect()}}, nil
}

// pool returns a pool of connections. None is opened yet.
func pool(connector driver.Connector, size int) *sqlx.DB {
	db := sqlx.NewDb(sql.OpenDB(connector), "postgres")
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	db.SetConnMaxIdleTime(maxConnectionIdle)
	db.SetConnMaxLifetime(maxConnectionLifetime)
	return db
}

// dialer notices within half a minute that a server is gone without closing the
// connection. The system's own keep-alive takes longer, and does not run while
// sent data is not acknowledged: the system repeats that for a quarter of an hour.
type dialer struct{ net.Dialer }

// goneAfter is after how much silence a server counts as gone.
const goneAfter = 30 * time.Second

func newDialer() *dialer {
	return &dialer{net.Dialer{
		Control: boundUnacknowledged,
		KeepAliveConfig: net.KeepAliveConfig{
			Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 4,
		},
	}}
}

// DialContext implements pq.DialerContext. It leaves the connection where Connect
// finds it.
func (d *dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	made, err := d.Dialer.DialContext(ctx, network, address)
	if opened, asked := ctx.Value(openedKey{}).(*net.Conn); asked && err == nil {
		*opened = made
	}
	return made, err //nolint:wrapcheck // The driver expects net's errors.
}

// DialTimeout implements pq.Dialer.
func (d *dialer) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return d.DialContext(ctx, network, address)
}
