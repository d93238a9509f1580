// Package resources opens the database and the broker of a service, and waits
// until they answer: services, database and broker may be started in any order.
package resources

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/dialnote/webhooks/pkg/backoff"
	"github.com/dialnote/webhooks/pkg/config"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/ops"
	"github.com/dialnote/webhooks/pkg/quota"
	"github.com/dialnote/webhooks/pkg/secretbox"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/store/storeurl"
	"github.com/dialnote/webhooks/pkg/stream"
)

// Resources is the open database and the connected broker with its streams.
type Resources struct {
	Store  store.Store
	Stream *stream.Conn
	Box    secretbox.Box
	Quotas quota.Limits // of each organization

	stopKeeping func() // nil when nothing keeps the streams
}

// configAPI is the name of the service that compares events with the quotas before it
// publishes them.
const configAPI = "config-api"

// NATS returns the settings of the connection to NATS of a service with this name.
// Its inbox is "_INBOX_" and the name, which deploy/nats permits.
func NATS(s config.Settings, name string) stream.Settings {
	return stream.Settings{
		URL: s.NATSURL, Name: name, Inbox: "_INBOX_" + name, SyncsAlways: s.NATSSync == "always", Admits: name == configAPI,
		Security: stream.Security{
			User: s.NATSUser, Password: s.NATSPassword, CredsFile: s.NATSCreds, NKeyFile: s.NATSNKey,
			CAFile: s.NATSCAFile, CertFile: s.NATSCertFile, KeyFile: s.NATSKeyFile,
		},
	}
}

// Open opens both, adds their checks to health, and has what they find logged until
// ctx ends. It waits for as long as one of
// them is away. It returns an error when ctx ends or when waiting cannot help: for
// a wrong setting, a *LostKeysError, a schema from a newer version, a NATS server
// that is too old, a *stream.ForeignStreamsError.
//
// Until Close it makes the streams again when they are gone.
func Open(ctx context.Context, s config.Settings, nats stream.Settings, health *ops.Health, log *slog.Logger) (*Resources, error) {
	box, err := secretbox.Parse(s.EncryptionKeys)
	if err != nil {
		return nil, fmt.Errorf("%sENCRYPTION_KEYS: %w", config.Prefix, err)
	}
	conn, err := stream.Connect(nats, log)
	if err != nil {
		return nil, fmt.Errorf("settings of NATS: %w", err)
	}
	health.Add("nats", conn.Serving)
	health.Add("database", notOpen)
	go health.Watch(ctx, log)
	db, err := openStore(ctx, s, box, log)
	if err != nil {
		conn.Close()
		return nil, err
	}
	health.Add("database", db.Writable)
	if _, err := db.Clock(ctx); err != nil {
		log.WarnContext(ctx, "clocks not compared yet", slog.Any("error", err))
	}
	health.Add("clock", checkClock(db))
	go compareClocks(ctx, db)
	b := &Resources{Store: db, Stream: conn, Box: box}
	installation, err := backoff.Read(ctx, log, backoff.Store, "read the installation's id", func() (string, error) { return db.Installation(ctx) })
	if err != nil {
		b.Close(log)
		return nil, err
	}
	bounds, err := backoff.Read(ctx, log, backoff.Broker, "ask how much may be stored", func() (stream.Topology, error) { return bounds(ctx, s, conn) })
	if err != nil {
		b.Close(log)
		return nil, err
	}
	topology := func() stream.Topology {
		t := bounds
		t.Installation, t.FirstEvent = installation, stream.FirstSequence(time.Now())
		return t
	}
	if err := backoff.RetryUnavailable(ctx, log, backoff.Broker, "open the streams", func() error { return conn.Ensure(ctx, topology()) }); err != nil {
		b.Close(log)
		return nil, err
	}
	b.Quotas = quotas(s, bounds.Events)
	log.InfoContext(ctx, "bounds in bytes, 0 for none", slog.Int64("events", bounds.Events), slog.Int64("rejected", bounds.Rejected),
		slog.Int64("organization_events", b.Quotas.Events), slog.Int64("organization_waiting", b.Quotas.Waiting))
	b.keepStreams(ctx, topology, log)
	return b, nil
}

// keepStreamsEvery is how often a service looks whether the streams are there.
const keepStreamsEvery = 2 * time.Second

// keepStreams makes the streams and the shared consumers again when they are gone,
// until Close.
func (b *Resources) keepStreams(ctx context.Context, topology func() stream.Topology, log *slog.Logger) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b.Stream.KeepStreams(ctx, keepStreamsEvery, topology, func(gone string, err error) {
			if err != nil {
				log.Error("a stream or consumer is missing on the NATS server and cannot be made again, retrying",
					slog.String("missing", gone), slog.Any("error", err))
				return
			}
			log.Error("a stream or consumer was missing on the NATS server and has been made again; what a deleted stream held is lost: "+
				`see docs/runbooks/StreamsMissing.md, and deliver what the log has with "config-api replay"`, slog.String("missing", gone))
		})
	}()
	b.stopKeeping = func() {
		cancel()
		<-ended
	}
}

// notOpen is the check of a database that is not open yet.
func notOpen(context.Context) error {
	return fault.New(fault.Unavailable, "database-unavailable", "The database is away, or its schema is being brought up to date.")
}

func openStore(ctx context.Context, s config.Settings, box secretbox.Box, log *slog.Logger) (db store.Store, err error) {
	said := ""
	err = backoff.RetryUnavailable(ctx, log, backoff.Store, "open the database", func() error {
		if db, err = storeurl.Open(ctx, s.DatabaseURL, box); err != nil {
			said = blocked(ctx, log, err, said)
			return err
		}
		if err = checkKeys(ctx, db); err != nil {
			return errors.Join(err, db.Close())
		}
		return nil
	})
	return db, err
}

// blocked logs which sessions keep a migration from being made, each time that
// these are others than was said before. It returns what is said now.
func blocked(ctx context.Context, log *slog.Logger, err error, said string) string {
	blocked, is := errors.AsType[*store.BlockedError](err)
	if !is || blocked.Who() == said {
		return said
	}
	log.WarnContext(ctx, "migration waits for locks, deliveries go on meanwhile", slog.String("held_by", blocked.Who()))
	return blocked.Who()
}

// LostKeysError says that the database holds texts under encryption keys that the
// setting lacks. A service that started all the same would fail in each request
// that needs one of them.
type LostKeysError struct{ KeyIDs []string }

// Error names the keys and says what to do.
func (e *LostKeysError) Error() string {
	return fmt.Sprintf("%sENCRYPTION_KEYS lacks the key %s, with which a part of what the database holds was encrypted. "+
		`Put it back behind the first one; when "config-api reencrypt" has run, it is no longer needed.`,
		config.Prefix, strings.Join(e.KeyIDs, ", "))
}

func checkKeys(ctx context.Context, db store.Store) error {
	missing, err := db.MissingKeys(ctx)
	if err == nil && len(missing) > 0 {
		err = &LostKeysError{KeyIDs: missing}
	}
	return err
}

// Close closes both. Messages that are not acknowledged by then are redelivered.
func (b *Resources) Close(log *slog.Logger) {
	if b.stopKeeping != nil {
		b.stopKeeping()
	}
	b.Stream.Close()
	if err := b.Store.Close(); err != nil {
		log.Warn("database not closed cleanly", slog.Any("error", err))
	}
}
