package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/proto"
)

// Inspection is the state of the broker that an operator should know.
type Inspection struct {
	Version    string         // of the server that answered
	TooOld     bool           // for message schedules
	Servers    int            // servers of the cluster that the connection knows
	Stored     uint64         // bytes of this account's streams
	StoreLimit int64          // bytes that the account may have, -1 for no limit
	Streams    []StreamHealth // those of the topology
	Waiting    uint64         // events that were not handed out to a dispatcher yet
	Gone       string         // a stream or a shared consumer that is missing, "" for none
	Owner      string         // the installation that the streams belong to, "" for none

	// Ahead is how far the server's clock is ahead of this machine's, give or take
	// Precision; both are zero while there is no stream.
	Ahead, Precision time.Duration
}

// StreamHealth is the state of one stream.
type StreamHealth struct {
	Name     string
	Missing  bool // no service has made it yet
	Replicas int
	Leader   string
	Lacking  []string // copies that are offline or not up to date
	Bytes    uint64   // that it keeps
	Limit    int64    // bytes that it may keep, 0 for no bound
}

// Inspect asks the server. It returns Unavailable while the server does not
// answer or has no JetStream for this account; the error then says which.
func (c *Conn) Inspect(ctx context.Context) (Inspection, error) {
	if !c.nc.IsConnected() {
		away := fault.New(fault.Unavailable, "broker-unavailable", "The message broker does not answer.")
		if err := c.nc.LastError(); err != nil {
			away = away.Because(err)
		}
		return Inspection{}, away
	}
	i := Inspection{Version: c.nc.ConnectedServerVersion(), Servers: max(1, len(c.nc.Servers()))}
	i.TooOld = !versionAtLeast(i.Version, minMajor, minMinor)
	account, err := c.js.AccountInfo(ctx)
	if err != nil {
		return i, fmt.Errorf("ask JetStream: %w", unavailable(err))
	}
	i.Stored, i.StoreLimit = account.Store, account.Limits.MaxStore
	for _, cfg := range (Topology{Replicas: 1}).streams() {
		state, err := c.inspectStream(ctx, cfg.Name, &i)
		if err != nil {
			return i, err
		}
		i.Streams = append(i.Streams, state)
	}
	if i.Gone, err = c.missing(ctx); err != nil {
		return i, err
	}
	if i.Gone == "" {
		levels, err := c.levels(ctx)
		if err != nil {
			return i, err
		}
		for _, l := range levels {
			i.Waiting += l.pending
		}
	}
	return i, nil
}

func (c *Conn) inspectStream(ctx context.Context, name string, i *Inspection) (StreamHealth, error) {
	asked := time.Now()
	s, err := c.js.Stream(ctx, name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return StreamHealth{Name: name, Missing: true}, nil
	}
	if err != nil {
		return StreamHealth{}, fmt.Errorf("look at stream %s: %w", name, unavailable(err))
	}
	info := s.CachedInfo()
	if trip := time.Since(asked); i.Precision == 0 || trip < i.Precision {
		i.Ahead, i.Precision = info.TimeStamp.Sub(asked.Add(trip/2)), trip
	}
	i.Owner = cmp.Or(i.Owner, info.Config.Metadata[installationKey])
	state := StreamHealth{Name: name, Replicas: info.Config.Replicas, Bytes: info.State.Bytes, Limit: max(info.Config.MaxBytes, 0)}
	if info.Cluster != nil {
		state.Leader = info.Cluster.Leader
		for _, peer := range info.Cluster.Replicas {
			if peer.Offline || !peer.Current {
				state.Lacking = append(state.Lacking, peer.Name)
			}
		}
	}
	return state, nil
}

// Role is what a service does over NATS, as subjects to try.
type Role struct{ publish, subscribe []string }

// placeholder is the organization or the webhook in the subjects that doctor tries.
const placeholder = "doctor"

// ConfigAPI is the role of config-api and its commands.
func ConfigAPI() Role {
	return Role{
		publish: []string{
			proto.SubjectEvent(placeholder, "call.completed"), proto.SubjectLane(placeholder), proto.SubjectNotice(placeholder, placeholder), proto.SubjectFarewell(placeholder),
			proto.SubjectChanged(placeholder),
			"$JS.API.STREAM.CREATE." + proto.StreamEvents, "$JS.API.STREAM.UPDATE." + proto.StreamLanes,
			"$JS.API.CONSUMER.CREATE." + proto.StreamEvents + ".x", "$JS.API.CONSUMER.CREATE." + proto.StreamRejected + ".x",
		},
		subscribe: []string{proto.SubjectHeartbeat("*"), proto.SubjectActivity(placeholder)},
	}
}

// Dispatcher is the role of dispatchers.
func Dispatcher() Role {
	return Role{
		publish: []string{
			proto.SubjectLane(placeholder), proto.SubjectRetry(placeholder, placeholder), proto.SubjectRejected(placeholder), proto.SubjectNotice(placeholder, placeholder),
			proto.SubjectActivity(placeholder), proto.SubjectHeartbeat(placeholder), proto.SubjectChanged(placeholder),
			"$JS.API.STREAM.CREATE." + proto.StreamEvents, "$JS.API.STREAM.UPDATE." + proto.StreamLanes,
			"$JS.API.CONSUMER.CREATE." + proto.StreamEvents + ".x", "$JS.API.CONSUMER.CREATE." + proto.StreamLanes + ".x",
			"$JS.API.CONSUMER.CREATE." + proto.StreamRejected + ".x", "$JS.API.CONSUMER.MSG.NEXT." + proto.StreamRejected + "." + placeholder,
			"$JS.API.STREAM.MSG.DELETE." + proto.StreamEvents,
			"$JS.API.CONSUMER.MSG.NEXT." + proto.StreamEvents + "." + placeholder, "$JS.API.CONSUMER.MSG.NEXT." + proto.StreamLanes + "." + placeholder,
			"$JS.ACK." + proto.StreamEvents + "." + placeholder + ".1.1.1.1.0",
		},
		subscribe: []string{proto.SubjectWebhooks, proto.SubjectTests},
	}
}

// Refused returns the actions of a role that the server does not permit to this
// connection: "publish to …", "subscribe to …". It tries each in a way that
// changes nothing: a message to be stored expects a stream that does not exist,
// and a request to JetStream is malformed.
func (c *Conn) Refused(ctx context.Context, r Role) ([]string, error) {
	var refused []string
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	try := func(verb, subject string, do func() error) error {
		if err := do(); err != nil {
			return fmt.Errorf("try %s: %w", subject, unavailable(err))
		}
		if err := c.nc.FlushWithContext(ctx); err != nil { // after it the server has replied to everything before
			return fmt.Errorf("try %s: %w", subject, unavailable(err))
		}
		err := c.nc.LastError()
		if errors.Is(err, nats.ErrPermissionViolation) && strings.Contains(err.Error(), strconv.Quote(subject)) {
			refused = append(refused, verb+" "+subject)
		}
		return nil
	}
	for _, subject := range r.publish {
		err := try("publish to", subject, func() error {
			header := nats.Header{jetstream.ExpectedStreamHeader: {"DIALNOTE_NONE"}}
			return c.nc.PublishMsg(&nats.Msg{Subject: subject, Header: header, Data: []byte("{")})
		})
		if err != nil {
			return nil, err
		}
	}
	for _, subject := range append(slices.Clone(r.subscribe), c.nc.NewRespInbox()) {
		err := try("subscribe to", subject, func() error {
			sub, err := c.nc.SubscribeSync(subject)
			if err != nil {
				return fmt.Errorf("subscribe: %w", err)
			}
			defer func() { _ = sub.Unsubscribe() }()
			return c.nc.FlushWithContext(ctx)
		})
		if err != nil {
			return nil, err
		}
	}
	return refused, nil
}
