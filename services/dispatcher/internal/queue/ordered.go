package queue

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/proto"
)

// Ordered delivers to ordered webhooks: one delivery at a time, strictly in the
// order in which the events were stored, each blocking the next until it is
// delivered or given up. Safe for concurrent use.
//
// The order and the place are the server's: a durable consumer for each ordered
// webhook hands out one event, to one replica. A failed delivery is given back
// until its time has come, and so stays the next.
type Ordered struct{ readers }

// NewOrdered returns the ordered places, which are not read yet.
func NewOrdered(p Parts) *Ordered { return &Ordered{readers: readers{Parts: p}} }

// Run reads until pulling ends, then waits for the deliveries that are held.
// work is the context of the deliveries.
func (o *Ordered) Run(pulling, work context.Context) { o.run(pulling, work, o.sweep) }

// Follow has an ordered webhook read its event and returns nil once the event
// is safe: the server keeps the webhook's place in the stream, from which some
// replica reads it, whatever becomes of this one.
func (o *Ordered) Follow(ctx context.Context, w webhook.Webhook) error {
	if !o.placed(w) {
		until := w.Health.HoldUntil
		if !until.After(o.Now()) {
			until = time.Time{}
		}
		if _, err := o.Stream.OpenOrdered(ctx, w, until); err != nil {
			return fmt.Errorf("keep the place of webhook %s: %w", w.ID, err)
		}
	}
	o.readFrom(w.OrganizationID, w.ID, w.OrderedFrom) //nolint:contextcheck // a reader outlives the event that began it
	return nil
}

// Behind reports whether other events wait before one that was just followed, or
// with it: then its turn is not now.
func (o *Ordered) Behind(ctx context.Context, w webhook.Webhook) (bool, error) {
	waiting, err := o.Stream.Waiting(ctx, w)
	if err != nil {
		return false, fmt.Errorf("count what waits before an ordered event: %w", err)
	}
	return waiting > 1, nil
}

// placed reports whether this replica's reader has seen to the webhook's place.
func (o *Ordered) placed(w webhook.Webhook) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	r, ok := o.byID[w.ID]
	return ok && r.placed == w.OrderedFrom
}

// readFrom has a webhook's reader look for events in the place that begins at from.
func (o *Ordered) readFrom(organizationID, webhookID string, from uint64) {
	r := o.read(o, organizationID, webhookID)
	if r == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	r.placed = from
	r.wake.Set()
}

// sweep follows the webhooks whose places have events, and removes the places
// that no webhook has any more.
func (o *Ordered) sweep(ctx context.Context) error {
	places, err := o.Stream.Places(ctx)
	if err != nil {
		return fmt.Errorf("find ordered webhooks: %w", err)
	}
	for _, p := range places {
		current, err := o.current(ctx, p)
		switch {
		case err != nil:
			return err
		case !current:
			if err := o.Stream.RemovePlace(ctx, p); err != nil {
				return fmt.Errorf("sweep: %w", err)
			}
		case p.Waiting > 0:
			o.readFrom(p.OrganizationID, p.WebhookID, p.OrderedFrom) //nolint:contextcheck // a reader outlives the sweep that found its place
		}
	}
	return nil
}

// current reports whether a place is still its webhook's. That it is not is never
// said on the word of the cache.
func (o *Ordered) current(ctx context.Context, p stream.Place) (bool, error) {
	has := func(w *webhook.Webhook) bool { return w != nil && w.OrderedFrom <= p.OrderedFrom }
	w, err := o.find(ctx, p.OrganizationID, p.WebhookID)
	if err == nil && !has(w) {
		w, err = o.fresh(ctx, p.OrganizationID, p.WebhookID)
	}
	return has(w), err
}

func (o *Ordered) streamName() string { return proto.StreamEvents }

// mode is as a lane's, but that a webhook that is not ordered any more, or sends
// nothing, has no place to read.
func (o *Ordered) mode(w *webhook.Webhook, now time.Time) mode {
	if w == nil || !w.Ordered() || w.Status() == webhook.StatusDisabled {
		return gone
	}
	return modeOf(w, now)
}

func (o *Ordered) inFlight(*webhook.Webhook) int { return 1 }

func (o *Ordered) open(ctx context.Context, w *webhook.Webhook, _ int, until time.Time) (*stream.Lane, error) {
	return o.Stream.OpenOrdered(ctx, *w, until)
}

// park does nothing: a place whose reader does not ask is not handed out.
func (o *Ordered) park(context.Context, string) error { return nil }

// remove leaves it to the sweep to remove the place.
func (o *Ordered) remove(context.Context, *reader) (bool, error) { return true, nil }

// progress returns a delivered Progress for an event that came before, in an earlier
// message: that message has had its turn.
func (o *Ordered) progress(ctx context.Context, h held) (delivery.Progress, error) {
	recorded, err := o.Deliverer.Progress.Before(ctx, []delivery.Delivery{h.delivery})
	if err != nil {
		return delivery.Progress{}, err
	}
	first := recorded[0].EventSequence
	if first == 0 || first == h.delivery.EventSequence {
		return recorded[0], nil
	}
	e, err := h.message.Published()
	if err != nil {
		return delivery.Progress{}, fmt.Errorf("read an ordered event: %w", err)
	}
	same, err := o.Repeats.Same(ctx, e, first)
	if err != nil {
		return delivery.Progress{}, err
	}
	recorded[0].Delivered = recorded[0].Delivered || same
	return recorded[0], nil
}

func (o *Ordered) settle(ctx context.Context, r *reader, h held, d delivery.Decision) bool {
	wait := idleWait // not recorded, it comes again
	switch d.Action {
	case delivery.Done, delivery.Remove:
		return true
	case delivery.Retry:
		wait = max(0, d.At.Sub(o.Now()))
	case delivery.Wait:
		wait = o.pause(ctx, h, d)
	}
	r.next = o.Now().Add(wait)
	if err := h.message.Return(wait); err != nil {
		o.Log.WarnContext(ctx, "ordered delivery not returned, will be redelivered later",
			slog.String("webhook", h.delivery.WebhookID), slog.Any("error", err))
	}
	return false
}

// pause has the server hand nothing out of an ordered webhook's place until its hold
// ends. It returns how long the delivery that ran into the hold has to rest: not at
// all, so that it is sent as soon as the hold ends, which may be earlier than was
// decided; or until the hold's end when the place could not be paused.
func (o *Ordered) pause(ctx context.Context, h held, d delivery.Decision) time.Duration {
	until := max(0, d.At.Sub(o.Now()))
	if until == 0 {
		return 0 // disabled automatically: a place that is not read hands nothing out
	}
	if _, err := o.Stream.OpenOrdered(ctx, *h.webhook, d.At); err != nil {
		o.Log.WarnContext(ctx, "ordered place not paused, its next delivery waits out the hold",
			slog.String("webhook", h.delivery.WebhookID), slog.Any("error", err))
		return until
	}
	return 0
}
