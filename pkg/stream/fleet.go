package stream

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/dialnote/webhooks/proto"
)

// Dispatchers answer from a cache of webhooks. Two rules keep every replica's
// cache true without asking the database for each event:
//
//   - A change is announced, and a replica that has dropped the webhook from
//     its cache confirms it. The config API waits for all of them where the
//     customer is promised that nothing more is sent.
//   - A replica may use its cache only under a lease. It sends itself a
//     heartbeat through the server, received by the same subscription as the
//     announcements and so in order with them. A heartbeat that comes back
//     proves that every announcement made before it was seen, and extends the
//     lease from the moment it was sent.
//
// So the lease of a replica that was frozen, cut off or slow has run out, and it
// asks the database; and the config API never waits longer than one lease.
const (
	// Lease is how long after its last proven heartbeat a replica may use its
	// cache.
	Lease = 3 * time.Second

	heartbeatEvery = 500 * time.Millisecond

	// left is the lease of a replica that has left: no heartbeat extends it again.
	left = -1
)

// Change says that a webhook was created, changed or deleted, or that its health
// changed what may be sent.
type Change struct {
	OrganizationID string `json:"organizationId"`
	WebhookID      string `json:"webhookId"`
}

// Arrival says that a message entered a webhook's lane: a replica put it there,
// or a schedule came due.
type Arrival struct {
	OrganizationID string
	WebhookID      string
}

// Listener receives what happens to webhooks, one call at a time and in the order
// in which it happened on the server.
type Listener interface {
	// Changed drops everything that is known of the webhook before it returns.
	// The zero Change means that any announcement may have been missed: Changed
	// drops everything.
	Changed(change Change)
	// Arrived must not block.
	Arrived(arrival Arrival)
	// TakenElsewhere says which events another replica has begun to work on. It must
	// not block.
	TakenElsewhere(taken []Taken)
}

// Member is a dispatcher's part in the fleet.
type Member struct {
	c        *Conn
	replica  string
	listener Listener
	started  time.Time
	proven   atomic.Int64 // the lease's start, in nanoseconds after started; 0 for none, or left
	joined   atomic.Int64 // when the replica began to hear the others without a break, in Unix nanoseconds; 0 for not yet
	other    atomic.Int64 // when another replica's heartbeat came last, in nanoseconds after started; 0 for never
	takings  takings
	epoch    uint64 // number of reconnections that receive has seen
	sub      *nats.Subscription
}

// Join subscribes a replica to what happens to webhooks. Run must be running
// for the lease to be extended.
func (c *Conn) Join(replica string, listener Listener) (*Member, error) {
	m := &Member{c: c, replica: replica, listener: listener, started: time.Now()}
	sub, err := c.nc.Subscribe(proto.SubjectWebhooks, m.receive)
	if err != nil {
		return nil, fmt.Errorf("subscribe to changes of webhooks: %w", unavailable(err))
	}
	if err := sub.SetPendingLimits(-1, -1); err != nil { // the cache would be wrong after a dropped announcement
		return nil, fmt.Errorf("lift limits of the changes subscription: %w", err)
	}
	m.sub = sub
	return m, nil
}

// Run sends heartbeats until ctx ends. Then it says that the replica leaves, so
// that no caller of Announce waits for it.
func (m *Member) Run(ctx context.Context) error {
	tick := time.NewTicker(heartbeatEvery)
	defer tick.Stop()
	for {
		m.beat()
		select {
		case <-ctx.Done():
			return m.leave()
		case <-tick.C:
		}
	}
}

// Fresh reports whether the replica has seen every announcement that was made
// longer ago than the lease. Its clock is monotonic.
func (m *Member) Fresh() bool {
	proven := m.proven.Load()
	return proven > 0 && time.Since(m.started)-time.Duration(proven) < Lease
}

// beat sends a heartbeat with the time at which it was sent. When that fails, the
// lease runs out.
func (m *Member) beat() {
	sent := time.Since(m.started).Nanoseconds()
	body, err := json.Marshal(heartbeat{Sent: sent, Epoch: m.c.reconnects()})
	if err != nil {
		return
	}
	_ = m.c.nc.Publish(proto.SubjectHeartbeat(m.replica), body)
}

type heartbeat struct {
	Sent  int64  `json:"sent"`
	Epoch uint64 `json:"epoch"` // of the sender's connection
	Left  bool   `json:"left,omitempty"`
}

func (m *Member) leave() error {
	m.proven.Store(left)
	_ = m.sub.Unsubscribe()
	body, err := json.Marshal(heartbeat{Left: true})
	if err != nil {
		return fmt.Errorf("write heartbeat: %w", err)
	}
	_ = m.c.nc.Publish(proto.SubjectHeartbeat(m.replica), body) // best effort: a lease ends anyway
	return nil
}

func (m *Member) receive(msg *nats.Msg) {
	kind, name := splitWebhooksSubject(msg.Subject)
	switch {
	case kind == "heartbeat" && name == m.replica:
		var h heartbeat
		if json.Unmarshal(msg.Data, &h) == nil && !h.Left {
			m.prove(h)
		}
	case kind == "heartbeat":
		m.other.Store(max(1, time.Since(m.started).Nanoseconds()))
	case kind == "taken" && name != m.replica:
		m.listener.TakenElsewhere(readTaken(msg.Data))
	case kind == "arrived":
		m.listener.Arrived(Arrival{OrganizationID: msg.Header.Get(proto.HeaderOrganization), WebhookID: name})
	case kind == "changed":
		var change Change
		if json.Unmarshal(msg.Data, &change) != nil {
			return
		}
		m.listener.Changed(change)
		if msg.Reply != "" {
			_ = m.c.nc.Publish(msg.Reply, []byte(m.replica))
		}
	}
}

// prove extends the lease for a heartbeat that came back. For the first one after
// a reconnection it drops everything that is cached first.
func (m *Member) prove(h heartbeat) {
	epoch := m.c.reconnects()
	if h.Epoch != epoch {
		return // sent over an earlier connection: it proves nothing about this one
	}
	if epoch != m.epoch {
		m.epoch = epoch
		m.joined.Store(0)
		m.listener.Changed(Change{})
	}
	m.joined.CompareAndSwap(0, time.Now().UnixNano())
	for {
		proven := m.proven.Load()
		if proven == left { // it came back after the replica had left
			return
		}
		if m.proven.CompareAndSwap(proven, max(h.Sent, 1)) {
			return
		}
	}
}

func splitWebhooksSubject(subject string) (kind, name string) {
	rest := strings.TrimPrefix(subject, proto.PrefixWebhooks+".")
	kind, name, _ = strings.Cut(rest, ".")
	return kind, name
}

// Announce publishes a change to every replica and does not wait for them.
func (c *Conn) Announce(change Change) error {
	return c.announce(change, "")
}

func (c *Conn) announce(change Change, reply string) error {
	body, err := json.Marshal(change)
	if err != nil {
		return fmt.Errorf("write change of webhook %s: %w", change.WebhookID, err)
	}
	msg := &nats.Msg{Subject: proto.SubjectChanged(change.OrganizationID), Reply: reply, Data: body}
	if err := c.nc.PublishMsg(msg); err != nil {
		return fmt.Errorf("announce change of webhook %s: %w", change.WebhookID, unavailable(err))
	}
	return nil
}

// Fleet knows from their heartbeats which dispatchers are alive.
type Fleet struct {
	c     *Conn
	sub   *nats.Subscription
	mu    sync.Mutex
	seen  map[string]time.Time
	epoch uint64    // number of reconnections when listening began
	since time.Time // when listening without a break began
}

// WatchFleet starts listening for heartbeats.
func (c *Conn) WatchFleet() (*Fleet, error) {
	f := &Fleet{c: c, seen: make(map[string]time.Time), epoch: c.reconnects(), since: time.Now()}
	sub, err := c.nc.Subscribe(proto.SubjectHeartbeat("*"), f.receive)
	if err != nil {
		return nil, fmt.Errorf("subscribe to heartbeats: %w", unavailable(err))
	}
	f.sub = sub
	return f, nil
}

// Close stops listening.
func (f *Fleet) Close() { _ = f.sub.Unsubscribe() }

// Size returns how many replicas sent a heartbeat within the last lease.
func (f *Fleet) Size() int {
	alive, _ := f.alive()
	return len(alive)
}

func (f *Fleet) receive(msg *nats.Msg) {
	_, replica := splitWebhooksSubject(msg.Subject)
	var h heartbeat
	if json.Unmarshal(msg.Data, &h) != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if h.Left {
		delete(f.seen, replica)
		return
	}
	f.seen[replica] = time.Now()
}

// alive returns the replicas that sent a heartbeat within the last lease, and
// forgets the others. all is false when there may be more, because listening
// began, or began again after a lost connection, less than a lease ago.
func (f *Fleet) alive() (replicas map[string]bool, all bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if epoch := f.c.reconnects(); epoch != f.epoch || !f.c.nc.IsConnected() {
		f.epoch, f.since = epoch, time.Now()
	}
	alive := make(map[string]bool, len(f.seen))
	for replica, at := range f.seen {
		if time.Since(at) > Lease {
			delete(f.seen, replica)
			continue
		}
		alive[replica] = true
	}
	return alive, time.Since(f.since) > Lease
}

// Announce publishes a change and returns when no replica acts on the state
// before it: when all replicas that are alive have confirmed, or after one lease,
// when the others may no longer use their caches. It waits for the lease when it
// does not know all replicas yet.
func (f *Fleet) Announce(ctx context.Context, change Change) error {
	inbox := f.c.nc.NewRespInbox()
	replies := make(chan *nats.Msg, 64)
	sub, err := f.c.nc.ChanSubscribe(inbox, replies)
	if err != nil {
		return fmt.Errorf("subscribe to confirmations: %w", unavailable(err))
	}
	defer func() { _ = sub.Unsubscribe() }()
	missing, all := f.alive()
	if err := f.c.announce(change, inbox); err != nil {
		return err
	}
	lease := time.NewTimer(Lease)
	defer lease.Stop()
	for len(missing) > 0 || !all {
		select {
		case reply := <-replies:
			delete(missing, string(reply.Data))
		case <-lease.C:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("wait for dispatchers to drop webhook %s: %w", change.WebhookID, ctx.Err())
		}
	}
	return nil
}
