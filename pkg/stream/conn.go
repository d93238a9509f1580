// Package stream is the NATS side of the project: the JetStream topology,
// publishing and pulling events, the lanes of waiting deliveries, and the
// announcements that keep replicas' caches true. No other package imports the
// NATS client.
package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/dialnote/webhooks/pkg/fault"
)

// The oldest nats-server that schedules messages.
const minMajor, minMinor = 2, 12

// publishTimeout is how long a publisher waits for the server to have stored
// its message.
const publishTimeout = 5 * time.Second

// ErrServerTooOld says that the NATS server cannot schedule messages.
var ErrServerTooOld = errors.New("the NATS server is too old")

// Settings say how to reach NATS.
type Settings struct {
	URL  string // nats://…, comma separated for a cluster
	Name string // shown in the server's list of connections

	Security Security

	// Inbox begins the subjects on which replies and pulled messages arrive:
	// "_INBOX_" and the service's name. The server must let no other user
	// subscribe there, because a subscriber reads the service's events. "" is the
	// client's own "_INBOX".
	Inbox string

	// SyncsAlways says that the server syncs its files before it acknowledges
	// (sync_interval: always). Events that are published at the same time are then
	// one batch, which is synced once. With any other server a batch costs more
	// than it saves.
	SyncsAlways bool

	// Admits says that this service publishes events only when it has compared them
	// with the quotas of their organizations. Dispatchers then deliver them whatever
	// comes after them.
	Admits bool

	// Storage is how many bytes the server may store, where the caller knows it; 0: the
	// server is asked what this account may.
	Storage int64

	// InProcess connects to an embedded server without a socket; URL is then
	// not used.
	InProcess nats.InProcessConnProvider
}

// Conn is a connection that reconnects for as long as it is open. Safe for
// concurrent use.
type Conn struct {
	nc *nats.Conn
	js jetstream.JetStream

	keepers sync.Pool // of *keeper
	events  *batcher  // of the event stream; nil when each event is stored by itself
	floor   floor
	admits  bool
	storage int64
	others  othersSeen // by Sources
	kept    othersSeen // by KeepStreams

	unreached unreached
	cut       cutOff
	refusals  refusals
	fullness  fullness
	failed    atomic.Pointer[failedWrite]      // nil when the last message was stored
	opened    atomic.Pointer[jetstream.Stream] // the event stream

	certificateExpires atomic.Pointer[time.Time] // of the server's that was shown last
}

// Connect starts connecting and returns at once: the server may be started
// later. It returns an error only for settings that can never work.
func Connect(s Settings, log *slog.Logger) (*Conn, error) {
	c := &Conn{keepers: sync.Pool{New: newKeeper}, admits: s.Admits, storage: s.Storage, unreached: unreached{log: log}}
	opts := []nats.Option{
		nats.Name(s.Name),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectJitter(100*time.Millisecond, 250*time.Millisecond),
		nats.ReconnectBufSize(-1),   // publishing fails at once while disconnected: the caller decides
		nats.IgnoreAuthErrorAbort(), // credentials are replaced while programs run
		nats.PingInterval(5 * time.Second),
		nats.MaxPingsOutstanding(2),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("NATS connection lost", slog.Any("error", err))
			}
		}),
		nats.ConnectHandler(func(*nats.Conn) { c.unreached.connected() }),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { c.unreached.failed(err) }),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			c.unreached.connected()
			log.Info("NATS connected", slog.String("server", nc.ConnectedServerName()))
		}),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) { c.clientError(log, sub, err) }),
	}
	secure, err := s.Security.options()
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	opts = append(opts, secure...)
	opts = append(opts, c.noticeCertificate)
	if s.Inbox != "" {
		opts = append(opts, nats.CustomInboxPrefix(s.Inbox))
	}
	if s.InProcess != nil {
		opts = append(opts, nats.InProcessServer(s.InProcess))
	}
	nc, err := nats.Connect(s.URL, opts...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", withoutURL(err))
	}
	// Without a timeout, a publisher whose acknowledgement is lost, because the
	// stream changed its leader, would wait for ever.
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(8192), jetstream.WithPublishAsyncTimeout(publishTimeout))
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("open JetStream: %w", err)
	}
	c.nc, c.js = nc, js
	if s.SyncsAlways {
		c.events = &batcher{c: c}
	}
	return c, nil
}

// Close closes the connection. Messages that were published and not yet
// acknowledged may or may not be stored.
func (c *Conn) Close() { c.nc.Close() }

// reconnects counts how often the connection was lost and made again.
func (c *Conn) reconnects() uint64 { return c.nc.Stats().Reconnects }

// Ready returns nil when the server answers and keeps streams for this account.
func (c *Conn) Ready(ctx context.Context) error {
	if !c.nc.IsConnected() {
		return c.away()
	}
	if _, err := c.js.AccountInfo(ctx); err != nil {
		return fmt.Errorf("ask JetStream: %w", unavailable(err))
	}
	return nil
}

// Serving is Ready, and returns a fault of kind Unavailable when a stream or a
// shared consumer is not there, or when messages are not stored.
func (c *Conn) Serving(ctx context.Context) error {
	if err := c.Ready(ctx); err != nil {
		return err
	}
	if err := c.writable(time.Now()); err != nil {
		return err
	}
	gone, err := c.missing(ctx)
	if err == nil && gone != "" {
		err = fault.Newf(fault.Unavailable, "broker-unavailable", "The NATS server lacks the %s, which a service makes again within seconds.", gone)
	}
	return err
}

// checkVersion returns ErrServerTooOld, with what to do, for a server without
// message schedules.
func (c *Conn) checkVersion() error {
	version := c.nc.ConnectedServerVersion()
	if version == "" {
		return c.away()
	}
	if !versionAtLeast(version, minMajor, minMinor) {
		return fmt.Errorf("%w: it is %s, message schedules need %d.%d or later; upgrade nats-server",
			ErrServerTooOld, version, minMajor, minMinor)
	}
	return nil
}

// versionAtLeast reports whether a version like 2.15.2 or 2.12.0-beta.1 is at
// least major.minor. It returns false for one that it cannot read.
func versionAtLeast(version string, major, minor int) bool { //nolint:unparam // a major version is part of a version
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	if len(parts) < 2 {
		return false
	}
	gotMajor, err1 := strconv.Atoi(parts[0])
	gotMinor, err2 := strconv.Atoi(parts[1])
	if err1 != nil || err2 != nil {
		return false
	}
	return gotMajor > major || gotMajor == major && gotMinor >= minor
}

// unavailable makes an error a fault of kind Unavailable when the broker's absence
// is its cause.
func unavailable(err error) error {
	for _, away := range []error{
		nats.ErrConnectionClosed, nats.ErrDisconnected, nats.ErrConnectionReconnecting, nats.ErrReconnectBufExceeded,
		nats.ErrNoServers, nats.ErrTimeout, nats.ErrNoResponders, nats.ErrNoStreamResponse,
		jetstream.ErrNoStreamResponse, jetstream.ErrJetStreamNotEnabled, jetstream.ErrStreamNotFound,
		jetstream.ErrConsumerNotFound, context.DeadlineExceeded,
		jetstream.ErrAsyncPublishTimeout, jetstream.ErrTooManyStalledMsgs, // no acknowledgement: a cluster without a majority
		jetstream.ErrConsumerLeadershipChanged, jetstream.ErrServerShutdown,
	} {
		if errors.Is(err, away) {
			return fault.New(fault.Unavailable, "broker-unavailable", "The message broker is away. Try again in a moment.").Because(err)
		}
	}
	if api, ok := errors.AsType[*jetstream.APIError](err); ok && (api.Code == 503 || passing(api.ErrorCode)) {
		return fault.New(fault.Unavailable, "broker-unavailable", "The message broker cannot store messages now. Try again in a moment.").Because(err)
	}
	return err
}

// storeFailed is the server's code for a message for which a stream has no room, and,
// of servers before 2.15, for one that could not be written.
const storeFailed jetstream.ErrorCode = 10077

// passing reports whether an error passes by itself, when the cluster is whole
// again or its disk has room, although its code is not 503. An error of a wrong
// setting may have the same code.
func passing(code jetstream.ErrorCode) bool {
	return slices.Contains([]jetstream.ErrorCode{
		10047, 10028, // storage, memory resources exceeded
		storeFailed,
		10051, 10104, // the stream's, the consumer's files cannot be written: a full disk
		10007, 10009, // the cluster has not assigned the stream, has no leader
		10005,                      // too few servers for the stream's replicas: some are away, or have only just started
		10041,                      // Raft
		10118, 10194, 10119, 10195, // the stream, the consumer is offline
		10158, // the same message is being stored this moment: it was published again after doubt
	}, code)
}
