package stream

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/proto"
)

// Activity is what has just happened to an organization's webhooks, for readers
// who watch live. It is sent at most once and not stored; Gaps reports when some
// of it may have been lost.
type Activity struct {
	// Attempts are those just recorded, in this order.
	Attempts []RecordedAttempt `json:"attempts,omitempty"`

	// Webhooks are the ids of webhooks that changed otherwise.
	Webhooks []string `json:"webhooks,omitempty"`

	// More says that more happened than is listed, to any of the webhooks.
	More bool `json:"more,omitempty"`
}

// RecordedAttempt is an attempt as it was recorded, in short.
type RecordedAttempt struct {
	WebhookID  string          `json:"webhookId"`
	DeliveryID string          `json:"deliveryId"`
	EventID    string          `json:"eventId"`
	EventType  event.Type      `json:"eventType"`
	Status     delivery.Status `json:"status"` // of the delivery after it
	Number     int             `json:"number"` // 0 when no request was made
	Test       bool            `json:"test,omitempty"`
	Reason     delivery.Reason `json:"reason,omitempty"`
	StatusCode int             `json:"statusCode,omitempty"`
	StartedAt  time.Time       `json:"startedAt"`
	EndedAt    time.Time       `json:"endedAt"`
}

// PublishActivity publishes activity to the watchers of an organization. It does
// not wait for the server. What cannot be sent now is lost; watchers learn of the
// loss from the sender's heartbeats, which say that its connection was lost.
func (c *Conn) PublishActivity(organizationID string, a Activity) error {
	body, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("write activity of %s: %w", organizationID, err)
	}
	if err := c.nc.Publish(proto.SubjectActivity(organizationID), body); err != nil {
		return fmt.Errorf("tell activity of %s: %w", organizationID, unavailable(err))
	}
	return nil
}

// flushWithin bounds how long a new watcher waits for the server.
const flushWithin = 5 * time.Second

// WatchActivity calls handle with what happens to one organization's webhooks,
// possibly from two goroutines at once, until stop is called; a call may still be
// under way then. Activity that is published after WatchActivity has returned
// reaches handle. While the broker is away it returns a fault of kind Unavailable.
func (c *Conn) WatchActivity(ctx context.Context, organizationID string, handle func(Activity)) (stop func(), err error) {
	if strings.ContainsAny(organizationID, ".*> \t\r\n") || organizationID == "" {
		return nil, fmt.Errorf("watch organization %q: not an id", organizationID) // it would match others' subjects
	}
	if !c.nc.IsConnected() { // the client would wait for the server to come back
		return nil, fmt.Errorf("watch organization %s: %w", organizationID, unavailable(nats.ErrDisconnected))
	}
	w := &activityWatch{handle: handle}
	ctx, cancel := context.WithTimeout(ctx, flushWithin)
	defer cancel()
	for subject, receive := range map[string]nats.MsgHandler{
		proto.SubjectActivity(organizationID): w.recorded,
		proto.SubjectChanged(organizationID):  w.changed,
	} {
		sub, err := c.nc.Subscribe(subject, receive)
		if err != nil {
			w.stop()
			return nil, fmt.Errorf("subscribe to %s: %w", subject, unavailable(err))
		}
		w.subs = append(w.subs, sub)
	}
	if err := c.nc.FlushWithContext(ctx); err != nil {
		w.stop()
		return nil, fmt.Errorf("watch organization %s: %w", organizationID, unavailable(err))
	}
	return w.stop, nil
}

type activityWatch struct {
	handle func(Activity)
	subs   []*nats.Subscription
}

func (w *activityWatch) stop() {
	for _, sub := range w.subs {
		_ = sub.Unsubscribe() // fails only when it is gone already
	}
}

func (w *activityWatch) recorded(msg *nats.Msg) {
	var a Activity
	if json.Unmarshal(msg.Data, &a) != nil {
		a = Activity{More: true} // from a version that writes it otherwise
	}
	w.handle(a)
}

func (w *activityWatch) changed(msg *nats.Msg) {
	var change Change
	if json.Unmarshal(msg.Data, &change) != nil {
		return
	}
	w.handle(Activity{Webhooks: []string{change.WebhookID}})
}

// Gaps calls missed whenever activity may have been lost, until ctx ends: because
// this connection or a dispatcher's was lost and made again, or because a
// dispatcher died after it recorded attempts and before it published them. It
// notices within a lease.
func (c *Conn) Gaps(ctx context.Context, missed func()) error {
	g := &gaps{epoch: c.reconnects(), replicas: make(map[string]pulse)}
	sub, err := c.nc.Subscribe(proto.SubjectHeartbeat("*"), func(msg *nats.Msg) {
		if g.receive(msg, time.Now()) {
			missed()
		}
	})
	if err != nil {
		return fmt.Errorf("subscribe to heartbeats: %w", unavailable(err))
	}
	defer func() { _ = sub.Unsubscribe() }()
	tick := time.NewTicker(heartbeatEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			if c.nc.IsConnected() && g.looked(c.reconnects(), now) {
				missed()
			}
		}
	}
}

// gaps is the state of Gaps.
type gaps struct {
	mu       sync.Mutex
	epoch    uint64 // this connection's reconnections
	replicas map[string]pulse
}

// pulse is a replica's last heartbeat.
type pulse struct {
	at    time.Time
	epoch uint64 // its connection's reconnections
}

// receive stores a heartbeat and reports whether its sender was cut off since the
// one before.
func (g *gaps) receive(msg *nats.Msg, now time.Time) bool {
	_, replica := splitWebhooksSubject(msg.Subject)
	var h heartbeat
	if json.Unmarshal(msg.Data, &h) != nil {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	last, known := g.replicas[replica]
	if h.Left { // it had published everything
		delete(g.replicas, replica)
		return false
	}
	g.replicas[replica] = pulse{at: now, epoch: h.Epoch}
	return known && last.epoch != h.Epoch
}

// looked reports whether, since the last call, the connection was made again or a
// replica stopped sending heartbeats.
func (g *gaps) looked(epoch uint64, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if epoch != g.epoch {
		g.epoch = epoch
		clear(g.replicas) // their heartbeats could not arrive
		return true
	}
	silent := false
	for replica, last := range g.replicas {
		if now.Sub(last.at) > Lease {
			delete(g.replicas, replica)
			silent = true
		}
	}
	return silent
}
