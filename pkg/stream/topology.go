package stream

import (
	"cmp"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/dialnote/webhooks/proto"
)

// This file is the whole JetStream topology. Either service creates or updates
// it when it starts, and again when a part of it is gone; both give the same result
// in any order and any number of times.

const (
	// topologyVersion counts the changes of this file: raise it with each. It is
	// stored with each stream. A program leaves a stream of a later version as it is,
	// so that a replica of the version before, which starts or reconnects during an
	// upgrade, does not undo it.
	topologyVersion = 6

	// topologyKey is the key of the version in a stream's metadata, installationKey
	// that of the installation's id.
	topologyKey     = "dialnote.topology"
	installationKey = "dialnote.installation"

	// shortestDuplicates is the shortest duplicate window that a server takes which
	// cannot do without one: those before 2.14.
	shortestDuplicates = 100 * time.Millisecond

	// usualDuplicates is the duplicate window that a server gives a stream without
	// one. It is named so that a stream can be compared with what it should be.
	usualDuplicates = 2 * time.Minute

	// dispatchers is the name of the durable consumers that all dispatcher replicas
	// share, or begins it; see division.
	dispatchers = "dispatchers"

	// maxAckPending bounds the messages of such a consumer that all replicas together
	// hold.
	maxAckPending = 65_536

	// ackWait is how long a replica may be silent about a message before the
	// server hands it to another. Replicas send InProgress several times within it.
	ackWait = 15 * time.Second

	// laneConsumers is how many lanes may be read at once. The server's default
	// of 1,000 is too low.
	laneConsumers = 1_000_000

	// laneInactive is how long a lane's consumer outlives its last reader. A
	// lane needs no consumer to keep its messages.
	laneInactive = 5 * time.Minute

	// rejectedEach bounds the rejected messages of an organization: when it has more,
	// the oldest of its own are dropped.
	rejectedEach = 1000

	// unsubscribeRequestsKept is how long a dispatcher goes on trying to tell Zapier
	// that a webhook was deleted.
	unsubscribeRequestsKept = time.Hour

	// unsubscribeRequestsEach bounds those of an organization: when it has more, the
	// oldest of its own are dropped. It has no more than 100 webhooks at a time.
	unsubscribeRequestsEach = 1000

	// unsubscribeRequestsMaxBytes bounds their stream: each has at most 2 KiB.
	unsubscribeRequestsMaxBytes = 64 << 20

	// noticesMaxBytes bounds the stream of notices: it holds about a million.
	noticesMaxBytes = 512 << 20

	// DefaultRejected is the bound of the stream of rejected messages unless a setting
	// names another one.
	DefaultRejected = 1 << 30
)

// Topology is what the operator may choose about the streams, and whose they are.
type Topology struct {
	Retention time.Duration // how long events and waiting deliveries are kept
	Replicas  int           // copies of each stream in a NATS cluster

	// Events bounds the bytes of the events, 0 for no bound: what is over it is refused.
	// With EventsAtLeast a stream that has a larger bound keeps it. Rejected bounds the
	// rejected messages, 0 for DefaultRejected: the oldest make room. The lanes have no
	// bound, since a server takes none that refuses what is over it on a stream with
	// schedules (nats-server 2.15). They take what the others leave.
	Events        int64
	EventsAtLeast bool
	Rejected      int64

	// Installation is the id of the installation that the streams belong to. It is
	// stored with each stream; "" leaves what is stored and refuses nothing.
	Installation string

	// FirstEvent is the sequence of the first event when the event stream is made;
	// see FirstSequence. 0 begins at 1.
	FirstEvent uint64
}

// FirstSequence returns the sequence with which an event stream begins that is made
// now. It is greater than every sequence of a stream that was there before, so that
// what is remembered of that one, such as where an ordered webhook begins, stays
// true: its events are no longer kept, and no later event has the sequence of
// another. It counts microseconds, because no stream stores a million events in a
// second, and stays below 2^53.
func FirstSequence(now time.Time) uint64 {
	return uint64(max(now.UnixMicro(), 1))
}

// streams returns the streams. That of the events is as it is made; see divided.
func (t Topology) streams() []jetstream.StreamConfig {
	return []jetstream.StreamConfig{
		t.eventStream(),
		t.laneStream(),
		{
			Name:        proto.StreamRejected,
			Description: "Messages that could not be understood, each with its reason.",
			Subjects:    []string{proto.PrefixRejected + ".>"},
			Retention:   jetstream.LimitsPolicy,
			Storage:     jetstream.FileStorage,
			MaxAge:      t.Retention,
			MaxBytes:    t.rejected(),
			Discard:     jetstream.DiscardOld,

			MaxMsgsPerSubject: rejectedEach,

			Duplicates: min(usualDuplicates, t.Retention),
			Replicas:   t.Replicas,
		},
		{
			Name:        proto.StreamNotices,
			Description: "Notices to the platform of what happened to webhooks.",
			Subjects:    []string{proto.PrefixNotices + ".*.*"},
			Retention:   jetstream.LimitsPolicy,
			Storage:     jetstream.FileStorage,
			MaxAge:      t.Retention,
			MaxBytes:    noticesMaxBytes,
			Discard:     jetstream.DiscardOld,
			// As long as a notice is kept: a replica that stored one, and died before it
			// could remove it from the outbox, may be away for days. Notices are few.
			Duplicates: t.Retention,
			Replicas:   t.Replicas,
		},
		{
			Name:        proto.StreamFarewells,
			Description: "URLs of deleted Zapier webhooks, to which a dispatcher sends DELETE.",
			Subjects:    []string{proto.PrefixFarewells + ".*"},
			Retention:   jetstream.WorkQueuePolicy,
			Storage:     jetstream.FileStorage,
			MaxAge:      min(unsubscribeRequestsKept, t.Retention),
			MaxBytes:    unsubscribeRequestsMaxBytes,

			MaxMsgsPerSubject: unsubscribeRequestsEach,

			Discard:    jetstream.DiscardOld,
			Duplicates: min(unsubscribeRequestsKept, t.Retention),
			Replicas:   t.Replicas,
		},
	}
}

func (t Topology) rejected() int64 { return cmp.Or(t.Rejected, DefaultRejected) }

// Others returns the bytes that the streams with a fixed bound reserve.
func (t Topology) Others() int64 { return t.rejected() + noticesMaxBytes + unsubscribeRequestsMaxBytes }

func (t Topology) eventStream() jetstream.StreamConfig {
	cfg := jetstream.StreamConfig{
		Name:        proto.StreamEvents,
		Description: "Every event once; also the payloads for the log, redelivery and recovery.",
		Subjects:    []string{proto.PrefixEvents + ".>"},
		Retention:   jetstream.LimitsPolicy,
		Storage:     jetstream.FileStorage,
		MaxAge:      t.Retention,
		Replicas:    t.Replicas,
		AllowDirect: true,
		FirstSeq:    t.FirstEvent,

		AllowAtomicPublish: true, // see batcher

		// Only in a stream with a source is a duplicate window of 0 none at all
		// (docs/adr/0012). The source stays empty: nothing has such a subject.
		Duplicates: 0,
		Sources:    []*jetstream.StreamSource{{Name: proto.StreamRejected, FilterSubject: proto.PrefixRejected + ".none.none"}},
	}
	if t.Events > 0 {
		cfg.MaxBytes, cfg.Discard = t.Events, jetstream.DiscardNew
	}
	return cfg
}

func (t Topology) laneStream() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:              proto.StreamLanes,
		Description:       "Deliveries that wait: for a hold, for their turn, or for the time of a retry.",
		Subjects:          []string{proto.PrefixLanes + ".*", proto.PrefixRetries + ".*.*"},
		Retention:         jetstream.WorkQueuePolicy,
		Storage:           jetstream.FileStorage,
		MaxAge:            t.Retention,
		MaxConsumers:      laneConsumers,
		Replicas:          t.Replicas,
		AllowMsgSchedules: true,
		AllowMsgTTL:       true,
		AllowRollup:       true,
		AllowDirect:       true,
		Duplicates:        min(usualDuplicates, t.Retention),
		RePublish: &jetstream.RePublish{
			Source:      proto.PrefixLanes + ".*",
			Destination: proto.SubjectArrived("{{wildcard(1)}}"),
			HeadersOnly: true,
		},
	}
}

func unsubscribeConsumer() jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable:     dispatchers,
		Description: "All dispatcher replicas: each unsubscribe request is sent by one of them.",
		AckPolicy:   jetstream.AckExplicitPolicy,
		AckWait:     ackWait,
		MaxDeliver:  -1, // its age ends it

		// The server counts the requests of every organization that wait to be
		// sent again.
		MaxAckPending: maxAckPending,
	}
}

func dispatchersConsumer(name, filter string, from uint64) jetstream.ConsumerConfig {
	cfg := jetstream.ConsumerConfig{
		Durable:       name,
		Description:   "All dispatcher replicas: each event goes to one of them.",
		FilterSubject: filter,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       ackWait,
		MaxDeliver:    -1,
		MaxAckPending: maxAckPending,
		DeliverPolicy: jetstream.DeliverAllPolicy,
	}
	if from > 0 {
		cfg.DeliverPolicy, cfg.OptStartSeq = jetstream.DeliverByStartSequencePolicy, from
	}
	return cfg
}

// laneConsumer is the consumer of one webhook's lane. inFlight bounds the messages
// that all replicas together hold; until pauses the lane unless it is zero.
func laneConsumer(webhookID string, inFlight int, until time.Time) jetstream.ConsumerConfig {
	cfg := jetstream.ConsumerConfig{
		Durable:           webhookID,
		AckPolicy:         jetstream.AckExplicitPolicy,
		AckWait:           ackWait,
		MaxDeliver:        -1,
		MaxAckPending:     inFlight,
		FilterSubject:     proto.SubjectLane(webhookID),
		InactiveThreshold: laneInactive,
		MemoryStorage:     true,
	}
	if !until.IsZero() {
		cfg.PauseUntil = &until
	}
	return cfg
}
