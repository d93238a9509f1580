package lane

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/proto"
	"github.com/dialnote/webhooks/services/dispatcher/internal/inflight"
	"github.com/dialnote/webhooks/services/dispatcher/internal/retry"
)

const (
	// pullWait is how long a pull waits for company to its first message.
	pullWait = 25 * time.Millisecond

	// crowded is how long a reader sleeps when slow webhooks have all the places
	// that they may have.
	crowded = 250 * time.Millisecond

	// idleWait is how long a reader sleeps, at most, when its lane has messages
	// that it is not given: another replica holds them.
	idleWait = time.Second
)

// reader reads one webhook's lane.
type reader struct {
	lanes          *Lanes
	organizationID string
	webhookID      string
	wake           chan struct{} // holds a token when there is news
	mode           atomic.Int32  // how it reads, to be shown
	arrivals       uint64        // guarded by lanes.mu
	held           atomic.Bool   // deliveries may wait in it because of a failure

	lane        *stream.Lane
	applied     setting      // how the lane was last opened
	closed      bool         // the lane has no consumer: nothing is handed out
	outstanding atomic.Int64 // deliveries with a slot
	trouble     atomic.Pointer[error]
	holding     sync.WaitGroup
}

// setting is how the server hands out a lane's messages.
type setting struct {
	inFlight int
	until    time.Time
}

func (r *reader) wakeUp() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// arrive tells the reader that its lane has a message.
func (r *reader) arrive() { r.wakeUp() }

// run reads until the lane is empty or pulling ends.
func (r *reader) run(pulling, work context.Context) {
	defer r.holding.Wait()
	for try := 0; pulling.Err() == nil; {
		done, err := r.step(pulling, work)
		if err != nil && pulling.Err() == nil {
			if try == 0 {
				r.lanes.Logger.Warn("a lane cannot be read; trying until it can",
					slog.String("webhook", r.webhookID), slog.Any("error", err))
			}
			r.applied = setting{} // whatever the server knows now, tell it again
			r.sleep(pulling, retry.Backoff(try))
			try++
			continue
		}
		if done {
			return
		}
		try = 0
	}
}

// step does what the lane needs now. It reports true when the reader has ended.
func (r *reader) step(pulling, work context.Context) (bool, error) {
	t, err := r.lanes.Matcher.Find(pulling, r.organizationID, r.webhookID)
	if err != nil {
		return false, err
	}
	var w *webhook.Webhook
	if t != nil {
		w = &t.Webhook
	}
	now := modeOf(w, r.lanes.Now())
	r.mode.Store(int32(now))
	if now != open {
		r.held.Store(true)
	}
	switch now {
	case gone:
		return r.remove(pulling)
	case parked:
		return false, r.park(pulling)
	case held:
		return false, r.hold(pulling, t.Webhook.Health.HoldUntil)
	case probe:
		return r.read(pulling, work, 1)
	case open:
		if t.Webhook.Ordered() { // what was asked for again: one at a time, as everything else
			return r.read(pulling, work, 1)
		}
		return r.read(pulling, work, r.lanes.InFlight)
	}
	return false, nil
}

// remove removes a deleted webhook's lane. That cannot be undone, so it is not
// done on the word of the cache: a webhook that is just being created may have
// a delivery here before its announcement.
func (r *reader) remove(ctx context.Context) (bool, error) {
	seen := r.lanes.arrivals(r)
	r.lanes.Matcher.Drop(r.organizationID)
	t, err := r.lanes.Matcher.Find(ctx, r.organizationID, r.webhookID)
	if err != nil || t != nil {
		return false, err
	}
	if err := r.lanes.Stream.Discard(ctx, r.webhookID); err != nil {
		return false, err
	}
	return r.lanes.close(r, seen), nil
}

// park leaves the lane without a consumer until the webhook changes.
func (r *reader) park(ctx context.Context) error {
	if !r.closed {
		if err := r.lanes.Stream.CloseLane(ctx, r.webhookID); err != nil {
			return err
		}
		r.lane, r.closed = nil, true
	}
	r.sleep(ctx, 10*sweepEvery)
	return nil
}

// hold pauses the lane on the server, for every replica, and waits.
func (r *reader) hold(ctx context.Context, until time.Time) error {
	if err := r.open(ctx, setting{inFlight: 1, until: until}); err != nil {
		return err
	}
	r.sleep(ctx, until.Sub(r.lanes.Now()))
	return nil
}

func (r *reader) open(ctx context.Context, s setting) error {
	if r.lane != nil && r.applied == s {
		return nil
	}
	lane, err := r.lanes.Stream.OpenLane(ctx, r.webhookID, handedOut(s.inFlight), s.until)
	if err != nil {
		return err
	}
	r.lane, r.applied, r.closed = lane, s, false
	return nil
}

// handedOut returns how many messages the server may have out for a lane with
// this many requests in flight: also those whose outcome is being recorded. A
// probe, or a webhook with one at a time, is alone until it is acknowledged.
func handedOut(inFlight int) int {
	const recording = 8
	if inFlight == 1 {
		return 1
	}
	return inFlight * recording
}

// read takes deliveries off the lane, as many as the webhook has use for, and
// sees each through in a goroutine of its own, in their order. It reports true
// when the lane is empty and closed.
func (r *reader) read(pulling, work context.Context, inFlight int) (bool, error) {
	if trouble := r.trouble.Swap(nil); trouble != nil {
		return false, *trouble
	}
	if err := r.open(pulling, setting{inFlight: inFlight}); err != nil {
		return false, err
	}
	seen := r.lanes.arrivals(r)
	slots, err := r.enter(pulling, inFlight)
	if err != nil || slots == 0 {
		return false, err
	}
	got := 0
	_, err = r.lane.Pull(pulling, slots, pullWait, func(d delivery.Delivery, m *stream.Message) {
		got++
		r.begin(work, d, m)
	})
	r.lanes.Slots.Release(slots - got)
	switch {
	case err != nil:
		return false, err
	case got == 0:
		return r.idle(pulling, seen)
	case inFlight == 1:
		r.holding.Wait() // the probe decides how the lane goes on
	}
	return false, nil
}

// enter takes slots for as many more deliveries as the webhook has use for. It
// takes none, after a while, when there are too few to be worth a request, and
// waits while too many outcomes are unrecorded.
func (r *reader) enter(ctx context.Context, inFlight int) (int, error) {
	const worth = 4 // a quarter of what may be held
	if err := r.lanes.Room.WaitForCapacity(ctx); err != nil {
		return 0, err
	}
	held := int(r.outstanding.Load())
	window := r.lanes.Webhooks.Window(r.webhookID, inFlight, held)
	if window == 0 {
		r.sleep(ctx, crowded)
		return 0, nil
	}
	more := window - held
	if more < max(1, window/worth) {
		r.sleep(ctx, pullWait)
		return 0, nil
	}
	return r.lanes.Slots.Acquire(ctx, more)
}

// begin sees a delivery through in the background. Its turn comes after those
// of the deliveries before it.
func (r *reader) begin(work context.Context, d delivery.Delivery, m *stream.Message) {
	r.outstanding.Add(1)
	slot := r.lanes.Slots.SlotThen(func() { // long before the outcome is recorded
		r.outstanding.Add(-1)
		r.wakeUp()
	})
	turn := r.lanes.Webhooks.Queue(r.webhookID)
	r.holding.Go(func() {
		defer r.wakeUp()
		defer slot.Free()
		defer m.KeepAlive()()
		work, span := r.lanes.Tracer.Consume(work, proto.StreamLanes, m.Headers())
		defer span.End()
		if r.see(work, d, m, turn, slot) {
			r.ack(work, m)
		}
	})
}

// see reads how far a delivery is, while it waits for its turn, and delivers it.
// The log knows how many attempts were made, whatever became of their messages.
// It reports whether the message is done with.
func (r *reader) see(work context.Context, d delivery.Delivery, m *stream.Message, turn inflight.Turn, slot *inflight.Slot) bool {
	progress, err := r.lanes.Progress.Of(work, d)
	if !turn.Wait(work) {
		if work.Err() == nil {
			_ = m.Return(0) // it keeps its place in the lane; when that is lost it comes again all the same
		}
		return false
	}
	if err != nil {
		r.lanes.Webhooks.Leave(r.webhookID, 0).Start()
		r.giveUp(m, err)
		return false
	}
	return r.deliver(work, taken{delivery: d, message: m, progress: progress}, slot)
}

// giveUp gives a delivery back, before later ones; when that is lost it comes
// again all the same. The reader rests before it asks for more.
func (r *reader) giveUp(m *stream.Message, trouble error) {
	r.trouble.Store(&trouble)
	_ = m.Return(0)
}

// taken is a delivery off the lane, with what is recorded of it.
type taken struct {
	delivery delivery.Delivery
	message  *stream.Message
	progress delivery.Progress
}

// idle is what a reader does when it is given nothing: it ends when the lane is
// empty, and else waits for news.
func (r *reader) idle(ctx context.Context, seen uint64) (bool, error) {
	if r.outstanding.Load() > 0 {
		r.sleep(ctx, idleWait)
		return false, nil
	}
	waiting, held, err := r.lane.Remaining(ctx)
	if err != nil {
		return false, err
	}
	if waiting == 0 && held == 0 && r.lanes.close(r, seen) {
		return true, nil
	}
	r.applied = setting{} // perhaps the server keeps an older setting: a delivery or another replica was late
	r.sleep(ctx, idleWait)
	return false, nil
}

func (r *reader) sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-r.wake:
	case <-t.C:
	case <-ctx.Done():
	}
}

func (r *reader) ack(ctx context.Context, m *stream.Message) {
	if err := m.Ack(); err != nil {
		r.lanes.Logger.WarnContext(ctx, "a waiting delivery was not acknowledged and will come again",
			slog.String("webhook", r.webhookID), slog.Any("error", err))
	}
}

// deliver sees one delivery of the lane through. It reports whether its message
// is done with.
func (r *reader) deliver(work context.Context, h taken, slot *inflight.Slot) bool {
	if h.progress.Done(h.delivery.PriorAttempts) { // sent and recorded; only the acknowledgement was lost
		r.lanes.Webhooks.Leave(r.webhookID, 0).Start()
		return true
	}
	t, err := r.lanes.Matcher.Find(work, r.organizationID, r.webhookID)
	why := ""
	switch {
	case err != nil:
		r.lanes.Webhooks.Leave(r.webhookID, 0).Start()
		r.giveUp(h.message, err)
		return false
	case t == nil: // a deleted webhook's lane is removed whole
		r.lanes.Webhooks.Leave(r.webhookID, 0).Start()
		return false
	case !t.Webhook.Event.Matches(h.delivery.EventType):
		why = "The webhook no longer sends this event."
	case r.lanes.Now().Sub(h.delivery.EventStored) > r.lanes.Retention:
		why = "The event waited longer than events are kept."
	case modeOf(&t.Webhook, r.lanes.Now()) < probe: // the webhook was stopped meanwhile
		r.lanes.Webhooks.Leave(r.webhookID, 0).Start()
		r.keepPlace(work, h, t.Webhook)
		return false
	}
	if why != "" {
		r.lanes.Webhooks.Leave(r.webhookID, 0).Start()
		return r.lanes.Carrier.Decline(work, t, h.delivery, delivery.Skipped, why) == nil
	}
	number := h.progress.Attempts + 1
	recorded, err := r.lanes.Carrier.Carry(work, t, h.delivery, number, slot)
	if err != nil {
		if work.Err() == nil {
			r.lanes.Logger.ErrorContext(work, "a delivery's attempt is not recorded; it will come again",
				slog.String("webhook", r.webhookID), slog.Any("error", err))
		}
		return false
	}
	return r.settle(work, h, number, *recorded.After, recorded.Decision)
}

// settle does what was decided after an attempt. It reports whether the message
// is done with.
func (r *reader) settle(ctx context.Context, h taken, number int, w webhook.Webhook, d delivery.Decision) bool {
	switch d.Action {
	case delivery.Done:
		return true
	case delivery.Remove:
		return r.persist(ctx, func() error { return r.lanes.Remove(ctx, r.webhookID) })
	case delivery.Retry:
		return r.persist(ctx, func() error { return r.lanes.Schedule(ctx, h.delivery, number, d.At) })
	case delivery.Wait:
		r.keepPlace(ctx, h, w)
	}
	return false
}

func (r *reader) persist(ctx context.Context, do func() error) bool {
	return retry.Until(ctx, r.lanes.Logger, "deliveries cannot be put into their lanes", do) == nil
}

// keepPlace gives a delivery back that failed and waits for the webhook: first
// the lane is paused or closed, so that it is not handed out again at once.
func (r *reader) keepPlace(ctx context.Context, h taken, w webhook.Webhook) {
	var err error
	if w.Status() == webhook.StatusAutoDisabled {
		err = r.lanes.Stream.CloseLane(ctx, r.webhookID)
	} else {
		_, err = r.lanes.Stream.OpenLane(ctx, r.webhookID, 1, w.Health.HoldUntil)
	}
	if err == nil {
		err = h.message.Return(0)
	}
	if err != nil {
		r.lanes.Logger.WarnContext(ctx, "a delivery keeps its place in its lane only after a while",
			slog.String("webhook", r.webhookID), slog.Any("error", err))
	}
}
