package queue

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dialnote/webhooks/pkg/backoff"
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/dispatcher/internal/limit"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
)

const (
	// pullWait is how long a pull waits for company to its first message.
	pullWait = 25 * time.Millisecond

	// crowdedWait is how long a reader sleeps when slow webhooks have all the places
	// that they may have.
	crowdedWait = 250 * time.Millisecond

	// idleWait is how long a reader sleeps, at most, when its queue has messages
	// that it is not given: another replica holds them, or their time has not come.
	idleWait = time.Second

	// parkedWait is how long a reader sleeps, at most, while its webhook is disabled
	// automatically.
	parkedWait = 100 * time.Second
)

// reader reads one webhook's queue.
type reader struct {
	*readers

	source         source
	organizationID string
	webhookID      string
	wake           backoff.Signal
	mode           atomic.Int32 // how it reads, to be shown
	arrivals       uint64       // guarded by readers.mu
	placed         uint64       // where the ordered place begins that is known to be kept; guarded by readers.mu

	lane        *stream.Lane
	applied     setting      // how the queue was last opened
	parked      bool         // nothing is handed out
	next        time.Time    // when a delivery that was given back may be tried again; set while the reader waits
	outstanding atomic.Int64 // deliveries with a slot
	failure     atomic.Pointer[error]
	deliveries  sync.WaitGroup
}

// setting is how the server hands out a queue's messages.
type setting struct {
	inFlight int
	until    time.Time
	from     uint64          // where an ordered webhook's place begins
	event    webhook.Setting // of an ordered webhook's place
}

// of returns what the deliveries of the queue are counted for.
func (r *reader) of() limit.Of {
	return limit.Of{OrganizationID: r.organizationID, WebhookID: r.webhookID}
}

// run reads until the queue is empty or pulling ends.
func (r *reader) run(pulling, work context.Context) {
	defer r.deliveries.Wait()
	for try := 0; pulling.Err() == nil; {
		ended, err := r.step(pulling, work)
		switch {
		case ended:
			return
		case err == nil:
			try = 0
			continue
		case try == 0 && pulling.Err() == nil:
			r.Log.Warn("queue not readable, retrying", slog.String("stream", r.source.streamName()),
				slog.String("webhook", r.webhookID), slog.Any("error", err))
		}
		r.applied = setting{} // open it again, whatever the server knows
		r.wake.Sleep(pulling, backoff.Pause(try))
		try++
	}
}

// step does what the queue needs now. It reports true when the reader has ended.
func (r *reader) step(pulling, work context.Context) (bool, error) {
	seen := r.readers.arrivals(r)
	w, err := r.find(pulling, r.organizationID, r.webhookID)
	if err != nil {
		return false, err
	}
	now := r.source.mode(w, r.Now())
	r.mode.Store(int32(now))
	switch now {
	case gone:
		removed, err := r.source.remove(pulling, r)
		return removed && r.end(r, seen), err
	case parked:
		return false, r.park(pulling)
	case onHold:
		return false, r.hold(pulling, w)
	case probe, open:
		return r.read(pulling, work, w, now, seen)
	}
	return false, nil
}

// park leaves the queue without a consumer until the webhook changes.
func (r *reader) park(ctx context.Context) error {
	if !r.parked {
		if err := r.source.park(ctx, r.webhookID); err != nil {
			return err
		}
		r.lane, r.parked = nil, true
	}
	r.wake.Sleep(ctx, parkedWait)
	return nil
}

// hold pauses the queue on the server, for every replica, and waits.
func (r *reader) hold(ctx context.Context, w *webhook.Webhook) error {
	until := w.Health.HoldUntil
	if err := r.open(ctx, w, 1, until); err != nil {
		return err
	}
	r.wake.Sleep(ctx, until.Sub(r.Now()))
	return nil
}

func (r *reader) open(ctx context.Context, w *webhook.Webhook, inFlight int, until time.Time) error {
	s := setting{inFlight: inFlight, until: until, from: w.OrderedFrom, event: w.Event}
	if r.lane != nil && r.applied == s {
		return nil
	}
	lane, err := r.source.open(ctx, w, inFlight, until)
	if err != nil {
		return err
	}
	r.lane, r.applied, r.parked = lane, s, false
	return nil
}

// read takes deliveries off the queue, as many as the webhook has use for, and
// delivers each in a goroutine of its own, in their order. It reports true when the
// queue is empty and the reader has ended.
func (r *reader) read(pulling, work context.Context, w *webhook.Webhook, now mode, seen uint64) (bool, error) {
	inFlight := r.source.inFlight(w)
	if now == probe {
		inFlight = 1
	}
	if failure := r.failure.Swap(nil); failure != nil {
		return false, *failure
	}
	if err := r.open(pulling, w, inFlight, time.Time{}); err != nil {
		return false, err
	}
	slots, err := r.acquire(pulling, r.of(), r.wake, inFlight, &r.outstanding, inFlight)
	if err != nil || slots == 0 {
		return false, err
	}
	got := 0
	_, err = r.lane.Pull(pulling, slots, pullWait, func(d delivery.Delivery, m *stream.Message) {
		got++
		r.begin(work, held{delivery: d, message: m, probes: now == probe})
	})
	r.Slots.Release(slots - got)
	switch {
	case err != nil:
		return false, err
	case got == 0:
		return r.idle(pulling, seen)
	case inFlight == 1:
		r.deliveries.Wait() // the probe, or the one in order, decides how the queue goes on
	}
	return false, nil
}

// idle is what a reader does when it is given nothing: it ends when the queue is
// empty, and else waits until something may have changed.
func (r *reader) idle(ctx context.Context, seen uint64) (bool, error) {
	if r.outstanding.Load() > 0 {
		r.wake.Sleep(ctx, idleWait)
		return false, nil
	}
	waiting, out, err := r.lane.Remaining(ctx)
	if err != nil {
		return false, err
	}
	if waiting == 0 && out == 0 && r.end(r, seen) {
		return true, nil
	}
	sleep := idleWait
	if untilNext := r.next.Sub(r.Now()); untilNext > 0 {
		sleep = min(sleep, untilNext)
	} else {
		r.applied = setting{} // perhaps the server keeps an older setting: a delivery or another replica was late
	}
	r.wake.Sleep(ctx, sleep)
	return false, nil
}

// begin delivers in the background. The delivery's turn comes after those of the
// deliveries before it.
func (r *reader) begin(work context.Context, h held) {
	r.outstanding.Add(1)
	slot := r.Slots.SlotThen(func() { // long before the outcome is recorded
		r.outstanding.Add(-1)
		r.wake.Set()
	})
	turn := r.Webhooks.Join(work, r.of())
	r.deliveries.Go(func() {
		defer r.wake.Set()
		defer slot.Free()
		defer h.message.KeepAlive()()
		work, span := r.Tracer.Consume(work, r.source.streamName(), h.message.Headers())
		defer span.End()
		if !r.deliver(work, h, turn, slot) {
			return
		}
		if err := h.message.Ack(); err != nil {
			r.Log.WarnContext(work, "delivery not acknowledged, will be redelivered",
				slog.String("webhook", r.webhookID), slog.Any("error", err))
		}
	})
}

// deliver delivers one delivery of the queue, and reports whether its message is
// done with. It reads how far the delivery is while it waits for its turn: the log
// knows how many attempts were made, whatever became of their messages.
func (r *reader) deliver(work context.Context, h held, turn limit.Turn, slot *limit.Slot) bool {
	progress, err := r.source.progress(work, h)
	kept, eventErr := true, error(nil)
	if h.delivery.Body == nil { // the queue keeps a reference
		_, kept, eventErr = r.readEvent(work, &h.delivery)
	}
	if !turn.Wait() {
		if work.Err() == nil {
			_ = h.message.Return(0) // it keeps its place in the queue; when that is lost it comes again all the same
		}
		return false
	}
	t, findErr := r.Matcher.Find(work, r.organizationID, r.webhookID)
	failure := cmp.Or(err, eventErr, findErr)
	if failure == nil && kept {
		return r.attempt(work, t, h, progress, slot)
	}
	r.Webhooks.Leave(r.webhookID, 0)
	if failure == nil {
		slot.Free()
		failure = r.skip(work, t, delivery.Turn{Delivery: h.delivery, Progress: progress, Retention: r.Retention})
	}
	if failure != nil {
		r.failure.Store(&failure) // the reader rests before it asks for more
		_ = h.message.Return(0)
	}
	return failure == nil
}

// attempt makes an attempt at a delivery of the queue, and reports whether its message
// is done with.
func (r *reader) attempt(work context.Context, t *match.Target, h held, progress delivery.Progress, slot *limit.Slot) bool {
	result, err := r.Deliverer.Deliver(work, t, delivery.Turn{
		Delivery: h.delivery, Progress: progress, Probes: h.probes, Retention: r.Retention,
	}, slot)
	h.attempts = result.Number
	switch {
	case err != nil:
		if work.Err() == nil {
			r.Log.ErrorContext(work, "attempt not recorded, delivery will be redelivered",
				slog.String("webhook", r.webhookID), slog.Any("error", err))
		}
		return r.source.settle(work, r, h, delivery.Decision{})
	case result.Plan.Step == delivery.PlanSend:
		h.webhook = result.Recorded.After
		return r.source.settle(work, r, h, result.Recorded.Decision)
	case result.Plan.Step == delivery.PlanHold: // the webhook was stopped meanwhile
		h.webhook = &t.Webhook
		return r.source.settle(work, r, h, delivery.Decision{Action: delivery.Wait, At: t.Webhook.Health.HoldUntil})
	}
	return result.Plan.Step != delivery.PlanDrop // the queue of a deleted webhook is removed whole
}
