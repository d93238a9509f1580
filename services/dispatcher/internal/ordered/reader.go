package ordered

import (
	"context"
	"log/slog"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/proto"
	"github.com/dialnote/webhooks/services/dispatcher/internal/inflight"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
	"github.com/dialnote/webhooks/services/dispatcher/internal/retry"
)

const (
	// pullWait is how long one request for the next event stays open.
	pullWait = 50 * time.Millisecond

	// idleWait is how long a reader sleeps, at most, when the next event is not
	// given to it: another replica has it, or its time has not come.
	idleWait = time.Second
)

// reader reads one ordered webhook. All that it does, it does one after the
// other.
type reader struct {
	ordered        *Ordered
	organizationID string
	webhookID      string
	wake           chan struct{} // holds a token when there is news
	news           uint64        // guarded by ordered.mu
	placed         uint64        // where the place begins that is known to be kept; guarded by ordered.mu

	place   *stream.Lane
	applied setting   // how the place was last opened
	next    time.Time // when the delivery that was given back may be tried again
}

// setting is where a webhook reads and how.
type setting struct {
	from  uint64
	event webhook.Setting
	until time.Time
}

func (r *reader) wakeUp() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *reader) run(pulling, work context.Context) {
	for try := 0; pulling.Err() == nil; {
		done, err := r.step(pulling, work)
		switch {
		case done:
			return
		case err == nil:
			try = 0
			continue
		case try == 0 && pulling.Err() == nil:
			r.ordered.Logger.Warn("an ordered webhook cannot be read; trying until it can",
				slog.String("webhook", r.webhookID), slog.Any("error", err))
		}
		r.place, r.applied = nil, setting{}
		r.sleep(pulling, retry.Backoff(try))
		try++
	}
}

// step does what the webhook needs now. It reports true when the reader has
// ended.
func (r *reader) step(pulling, work context.Context) (bool, error) {
	seen := r.ordered.news(r)
	t, err := r.ordered.Matcher.Find(pulling, r.organizationID, r.webhookID)
	if err != nil {
		return false, err
	}
	if t == nil || !t.Webhook.Ordered() || t.Webhook.Status() == webhook.StatusDisabled {
		return r.ordered.end(r, seen), nil
	}
	health := t.Webhook.Health
	switch wait := health.HoldUntil.Sub(r.ordered.Now()); {
	case t.Webhook.Status() == webhook.StatusAutoDisabled:
		r.sleep(pulling, 10*sweepEvery)
		return false, nil
	case health.OnHold() && wait > 0:
		if err := r.open(pulling, t.Webhook, health.HoldUntil); err != nil {
			return false, err
		}
		r.sleep(pulling, wait)
		return false, nil
	}
	if err := r.open(pulling, t.Webhook, time.Time{}); err != nil {
		return false, err
	}
	return r.read(pulling, work, seen)
}

func (r *reader) open(ctx context.Context, w webhook.Webhook, until time.Time) error {
	s := setting{from: w.OrderedFrom, event: w.Event, until: until}
	if r.place != nil && r.applied == s {
		return nil
	}
	place, err := r.ordered.Stream.OpenOrdered(ctx, w, until)
	if err != nil {
		return err
	}
	r.place, r.applied = place, s
	return nil
}

// read takes the next event, if it is to be had, and sends it.
func (r *reader) read(pulling, work context.Context, seen uint64) (bool, error) {
	if err := r.ordered.Room.WaitForCapacity(pulling); err != nil {
		return false, err
	}
	if _, err := r.ordered.Slots.Acquire(pulling, 1); err != nil {
		return false, err
	}
	slot := r.ordered.Slots.Slot()
	defer slot.Free()
	var (
		next    delivery.Delivery
		message *stream.Message
	)
	_, err := r.place.Pull(pulling, 1, pullWait, func(d delivery.Delivery, m *stream.Message) { next, message = d, m })
	if err != nil {
		return false, err
	}
	if message == nil {
		slot.Free()
		return r.idle(pulling, seen)
	}
	defer message.KeepAlive()()
	work, span := r.ordered.Tracer.Consume(work, proto.StreamEvents, message.Headers())
	defer span.End()
	done, wait := r.deliver(work, next, slot)
	if done {
		return false, message.Ack()
	}
	r.next = r.ordered.Now().Add(wait)
	return false, message.Return(wait)
}

// idle ends the reader when nothing waits, and else sleeps until something may
// have changed.
func (r *reader) idle(ctx context.Context, seen uint64) (bool, error) {
	waiting, held, err := r.place.Remaining(ctx)
	if err != nil {
		return false, err
	}
	if waiting == 0 && held == 0 && r.ordered.end(r, seen) {
		return true, nil
	}
	sleep := idleWait
	if untilNext := r.next.Sub(r.ordered.Now()); untilNext > 0 {
		sleep = min(sleep, untilNext)
	}
	r.sleep(ctx, sleep)
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

// deliver sees one delivery through. It reports whether it is done with, or
// else for how long it waits, blocking the next.
func (r *reader) deliver(work context.Context, d delivery.Delivery, slot *inflight.Slot) (done bool, wait time.Duration) {
	progress, t, err := r.look(work, d)
	switch {
	case err != nil || t == nil: // a deleted webhook's place is swept away
		return false, idleWait
	case progress.Delivered:
		return true, 0
	case !t.Webhook.Event.Matches(d.EventType):
		return r.skip(work, t, d, "The webhook no longer sends this event.")
	case r.ordered.Now().Sub(d.EventStored) > r.ordered.Retention:
		return r.skip(work, t, d, "The event waited longer than events are kept.")
	case t.Webhook.Status() != webhook.StatusActive:
		return false, 0
	case t.Webhook.Health.HoldUntil.After(r.ordered.Now()):
		return false, t.Webhook.Health.HoldUntil.Sub(r.ordered.Now())
	}
	if !r.ordered.Webhooks.TryEnter(r.webhookID) {
		return false, pullWait
	}
	recorded, err := r.ordered.Carrier.Carry(work, t, d, progress.Attempts+1, slot)
	if err != nil {
		return false, idleWait
	}
	switch recorded.Decision.Action {
	case delivery.Done, delivery.Remove:
		return true, 0
	case delivery.Retry, delivery.Wait:
		return false, max(0, recorded.Decision.At.Sub(r.ordered.Now()))
	}
	return false, 0
}

func (r *reader) skip(ctx context.Context, t *match.Target, d delivery.Delivery, why string) (bool, time.Duration) {
	if err := r.ordered.Carrier.Decline(ctx, t, d, delivery.Skipped, why); err != nil {
		return false, idleWait
	}
	return true, 0
}

// look reads what is recorded of a delivery and how its webhook is now.
func (r *reader) look(ctx context.Context, d delivery.Delivery) (delivery.Progress, *match.Target, error) {
	progress, err := r.ordered.Log.Progress(ctx, []string{d.ID}, d.Attempted(r.ordered.Now()))
	if err != nil {
		return delivery.Progress{}, nil, err
	}
	t, err := r.ordered.Matcher.Find(ctx, r.organizationID, r.webhookID)
	return progress[d.ID], t, err
}
