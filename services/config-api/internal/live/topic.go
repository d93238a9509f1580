package live

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/config-api/internal/manage"
)

// readWithin bounds one read of an organization's webhooks.
const readWithin = 10 * time.Second

// topic subscribes to one organization for its listeners. It collects what happens
// and sends it in rounds: the first at once, the next a pace later. So the load on
// listeners and on the database is bounded, however much happens.
type topic struct {
	hub            *Hub
	organizationID string
	cancel         context.CancelFunc
	listeners      map[*Listener]bool // guarded by the hub
	users          int                // guarded by the hub

	ready  chan struct{} // closed when known is, or following failed
	failed error         // set before ready is closed

	known map[string]manage.View // as in the last events; used by run only

	mu      sync.Mutex
	pending pending
	signal  chan struct{} // holds a token when pending is not empty
}

// pending is what happened since the last round.
type pending struct {
	deliveries []*stream.RecordedAttempt
	webhooks   map[string]bool // ids of those to read, and whether to read them again later
	resync     Reason
}

func newTopic(h *Hub, organizationID string, cancel context.CancelFunc) *topic {
	return &topic{
		hub: h, organizationID: organizationID, cancel: cancel,
		listeners: make(map[*Listener]bool), ready: make(chan struct{}), signal: make(chan struct{}, 1),
	}
}

// run serves the topic until ctx ends.
func (t *topic) run(ctx context.Context) {
	stop, err := t.hub.o.Source.WatchActivity(ctx, t.organizationID, func(a stream.Activity) { t.collect(a, "") })
	if err == nil {
		defer stop()
		t.known, err = t.read(ctx, nil)
	}
	t.failed = err
	close(t.ready)
	if err != nil {
		return
	}
	troubled := false
	for {
		select {
		case <-t.signal:
		case <-ctx.Done():
			return
		}
		if err := t.round(ctx); err != nil && !troubled && ctx.Err() == nil {
			t.hub.o.Log.Warn("changes not read, retrying",
				slog.String("org", t.organizationID), slog.Any("error", err))
			troubled = true
		} else if err == nil {
			troubled = false
		}
		pause := time.NewTimer(t.hub.o.Limits.Pace)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return
		}
	}
}

// collect adds activity to the pending one. It does not block.
func (t *topic) collect(a stream.Activity, resync Reason) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := &t.pending
	for _, attempt := range a.Attempts {
		h.add(attempt.WebhookID, true)
	}
	for _, id := range a.Webhooks {
		h.add(id, true)
	}
	if a.More || len(h.deliveries)+len(a.Attempts) > t.hub.o.Limits.Deliveries {
		resync = Busy
	}
	if resync != "" {
		h.resync = resync
	}
	if h.resync != "" {
		h.deliveries = nil // a listener that reads again needs none of them
	} else {
		for i := range a.Attempts {
			h.deliveries = append(h.deliveries, &a.Attempts[i])
		}
	}
	t.wake()
}

func (h *pending) add(id string, again bool) {
	if h.webhooks == nil {
		h.webhooks = make(map[string]bool)
	}
	h.webhooks[id] = h.webhooks[id] || again
}

func (t *topic) wake() {
	select {
	case t.signal <- struct{}{}:
	default:
	}
}

func (t *topic) take() pending {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.pending
	t.pending = pending{}
	return h
}

// round sends the pending activity. It sends the deliveries before it reads the database;
// what could not be read is left to the next round.
func (t *topic) round(ctx context.Context) error {
	h := t.take()
	deliveries := make([]Event, 0, len(h.deliveries))
	for _, d := range h.deliveries {
		deliveries = append(deliveries, Event{Delivery: d})
	}
	t.hub.send(t, deliveries)
	now, err := t.read(ctx, h.webhooks)
	if err != nil {
		t.unread(h)
		return err
	}
	was := t.known
	t.known = now
	if h.resync != "" {
		t.hub.resyncs.WithLabelValues(string(h.resync)).Inc()
		t.hub.send(t, []Event{{Resync: h.resync}})
	} else {
		t.hub.send(t, changes(was, now))
	}
	t.readAgain(h.webhooks)
	return nil
}

// unread keeps for the next round what could not be sent.
func (t *topic) unread(h pending) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, again := range h.webhooks {
		t.pending.add(id, again)
	}
	if h.resync != "" && t.pending.resync == "" {
		t.pending.resync, t.pending.deliveries = h.resync, nil
	}
	t.wake()
}

// readAgain schedules another read of webhooks that had activity just now. A
// dispatcher reports an outcome when it is recorded; only then does it remove the
// message from the lane or schedule the retry, so the number of held events
// changes a little later.
func (t *topic) readAgain(webhooks map[string]bool) {
	var ids []string
	for id, again := range webhooks {
		if again {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return
	}
	time.AfterFunc(t.hub.o.Limits.Settle, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		for _, id := range ids {
			t.pending.add(id, false)
		}
		t.wake()
	})
}

// read returns the current webhooks. It counts held events for those with
// pending activity, and for any other that has changed.
func (t *topic) read(ctx context.Context, look map[string]bool) (map[string]manage.View, error) {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	counted := make(map[string]bool)
	now, err := t.hub.o.Webhooks.Snapshot(ctx, t.organizationID, func(w webhook.Webhook) bool {
		known, there := t.known[w.ID]
		known.Held = nil
		_, asked := look[w.ID]
		counted[w.ID] = asked || there && len(differences(known, manage.View{Webhook: w})) > 0 || t.known != nil && !there
		return counted[w.ID]
	})
	if err != nil {
		return nil, err
	}
	for id, v := range now {
		if !counted[id] {
			v.Held = t.known[id].Held
			now[id] = v
		}
	}
	return now, nil
}

// changes returns the changes between two states of an organization, in the order
// of the webhooks' ids.
func changes(was, is map[string]manage.View) []Event {
	var events []Event
	add := func(id string, v *manage.View, list ...Change) {
		if len(list) > 0 {
			events = append(events, Event{Webhook: &WebhookChange{ID: id, Changes: list, View: v}})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(was)) {
		if _, there := is[id]; !there {
			add(id, nil, Deleted)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(is)) {
		now := is[id]
		if before, there := was[id]; there {
			add(id, &now, differences(before, now)...)
		} else {
			add(id, &now, Created)
		}
	}
	return events
}
