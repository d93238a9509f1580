// Package live sends what happens to an organization's webhooks, as it happens, to
// listeners.
//
// A hub subscribes to an organization for as long as it has listeners: to what
// dispatchers record, and to changes by any replica. None of that is stored. So a
// listener first reads the current state, then receives changes, and receives a
// Resync, which makes it read again, whenever events may have been lost.
package live

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/config-api/internal/manage"
)

// Source is the part of stream.Conn that a hub needs; stream.Conn says what the
// methods promise.
type Source interface {
	WatchActivity(ctx context.Context, organizationID string, handle func(stream.Activity)) (stop func(), err error)
	Gaps(ctx context.Context, missed func()) error
}

// Webhooks reads an organization's webhooks; see manage.Service.
type Webhooks interface {
	Snapshot(ctx context.Context, organizationID string, count func(webhook.Webhook) bool) (map[string]manage.View, error)
}

// Limits bound what a hub does.
type Limits struct {
	Listeners    int           // in all
	Organization int           // listeners of one organization
	Buffer       int           // events that a listener may be behind
	Deliveries   int           // deliveries sent in one round; more become a Resync
	Pace         time.Duration // between two rounds of an organization
	Settle       time.Duration // after which a webhook with activity is read once more
}

// DefaultLimits are the limits in production.
func DefaultLimits() Limits {
	return Limits{
		Listeners: 2000, Organization: 50, Buffer: 512, Deliveries: 200,
		Pace: 500 * time.Millisecond, Settle: time.Second,
	}
}

// Options are what a hub works with. All are needed.
type Options struct {
	Source   Source
	Webhooks Webhooks
	Limits   Limits
	Registry prometheus.Registerer
	Log      *slog.Logger
}

// Hub sends events to listeners. Safe for concurrent use.
type Hub struct {
	o       Options
	resyncs *prometheus.CounterVec
	running sync.WaitGroup // the topics

	mu     sync.Mutex
	topics map[string]*topic // by organization
	count  int               // listeners, including those that wait for their topic
	closed bool
}

// New returns a hub. It returns an error when the registry has its metrics
// already.
func New(o Options) (*Hub, error) {
	h := &Hub{
		o: o, topics: make(map[string]*topic),
		resyncs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dialnote_api_resyncs_total",
			Help: "Resync messages sent to listeners of changes, by reason.",
		}, []string{"reason"}),
	}
	for _, r := range []Reason{Missed, Busy, Slow} {
		h.resyncs.WithLabelValues(string(r)) // exported from the start
	}
	listeners := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "dialnote_api_change_listeners",
		Help: "Open streams of changes.",
	}, func() float64 { return float64(h.Listeners()) })
	for _, c := range []prometheus.Collector{h.resyncs, listeners} {
		if err := o.Registry.Register(c); err != nil {
			return nil, fmt.Errorf("register the metrics of changes: %w", err)
		}
	}
	return h, nil
}

// Run watches for gaps until ctx ends, and then ends every listener and every
// topic.
func (h *Hub) Run(ctx context.Context) error {
	defer h.close()
	if err := h.o.Source.Gaps(ctx, h.missed); err != nil {
		return fmt.Errorf("watch for gaps: %w", err)
	}
	return nil
}

// Listeners returns how many there are.
func (h *Hub) Listeners() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.count
}

// Listener receives the events of one organization.
type Listener struct {
	topic  *topic
	events chan Event
	ended  bool // guarded by the hub
	slow   bool
	closed bool
}

// Listen returns a new listener of an organization. Its first event is a Resync: a
// caller that reads the state after it, and then every event, misses nothing. It
// returns RateLimited when the organization has as many listeners as it may, and
// Unavailable when the hub has, is closed, or cannot subscribe or read now. The
// caller must call Close.
func (h *Hub) Listen(ctx context.Context, organizationID string) (*Listener, error) {
	t, err := h.enter(organizationID) //nolint:contextcheck // a topic outlives the listener that it began for
	if err != nil {
		return nil, err
	}
	select {
	case <-t.ready:
		err = t.failed
	case <-ctx.Done():
		err = fmt.Errorf("begin to watch: %w", ctx.Err())
	}
	if err != nil {
		h.leave(t)
		return nil, err
	}
	return h.join(t), nil
}

// Events returns the events, in order. It is closed when the hub closes, or when
// the listener was too slow.
func (l *Listener) Events() <-chan Event { return l.events }

// Slow reports, once Events is closed, whether the listener was too slow.
func (l *Listener) Slow() bool {
	l.topic.hub.mu.Lock()
	defer l.topic.hub.mu.Unlock()
	return l.slow
}

// Close ends the listener. It may be called again.
func (l *Listener) Close() {
	h := l.topic.hub
	h.mu.Lock()
	again := l.closed
	l.closed = true
	l.end()
	h.mu.Unlock()
	if !again {
		h.leave(l.topic)
	}
}

// end closes the listener's channel. The caller holds the hub's lock.
func (l *Listener) end() {
	if !l.ended {
		l.ended = true
		delete(l.topic.listeners, l)
		close(l.events)
	}
}

// enter counts a listener and returns its topic, which may not be ready yet.
func (h *Hub) enter(organizationID string) (*topic, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.topics[organizationID]
	switch {
	case h.closed:
		return nil, fault.New(fault.Unavailable, "stopping", "The service is stopping. Connect again in a moment.")
	case h.count >= h.o.Limits.Listeners:
		return nil, fault.New(fault.Unavailable, "too-many-streams", "Too many streams of changes are open here. Try again later.")
	case t != nil && t.users >= h.o.Limits.Organization:
		return nil, fault.Newf(fault.RateLimited, "too-many-streams",
			"The organization has %d open streams of changes, the most it can have. Close one first.", t.users)
	case t == nil:
		t = h.open(organizationID)
	}
	t.users++
	h.count++
	return t, nil
}

// open starts the topic of an organization. The caller holds the hub's lock.
func (h *Hub) open(organizationID string) *topic {
	ctx, cancel := context.WithCancel(context.Background())
	t := newTopic(h, organizationID, cancel)
	h.topics[organizationID] = t
	h.running.Go(func() { t.run(ctx) })
	return t
}

// leave stops counting a listener. The last one ends its topic.
func (h *Hub) leave(t *topic) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.count--
	if t.users--; t.users == 0 {
		t.cancel()
		delete(h.topics, t.organizationID)
	}
}

func (h *Hub) join(t *topic) *Listener {
	l := &Listener{topic: t, events: make(chan Event, 1+h.o.Limits.Buffer)}
	l.events <- Event{Resync: Connected}
	h.mu.Lock()
	defer h.mu.Unlock()
	t.listeners[l] = true
	if h.closed {
		l.end()
	}
	return l
}

// send puts events into the buffers of a topic's listeners. It ends a listener
// whose buffer is full.
func (h *Hub) send(t *topic, events []Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for l := range t.listeners {
		for _, e := range events {
			select {
			case l.events <- e:
				continue
			default:
			}
			l.slow = true
			l.end()
			h.resyncs.WithLabelValues(string(Slow)).Inc()
			break
		}
	}
}

// missed sends a Resync to every listener.
func (h *Hub) missed() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range h.topics {
		t.collect(stream.Activity{}, Missed)
	}
}

func (h *Hub) close() {
	h.mu.Lock()
	h.closed = true
	for _, t := range h.topics {
		t.cancel()
		for l := range t.listeners {
			l.end()
		}
	}
	h.mu.Unlock()
	h.running.Wait()
}
