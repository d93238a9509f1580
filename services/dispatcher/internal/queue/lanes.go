package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/dialnote/webhooks/pkg/backoff"
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/proto"
)

// Lanes reads the lanes that this replica knows of: of each webhook the retries whose
// time has come, redeliveries, and what is recovered. Safe for concurrent use.
type Lanes struct {
	readers

	perWebhook int
}

// NewLanes returns lanes that are not read yet. inFlight is how many deliveries of
// one lane may be in flight at once, over all replicas.
func NewLanes(p Parts, inFlight int) *Lanes {
	return &Lanes{readers: readers{Parts: p}, perWebhook: inFlight}
}

// Run reads lanes until pulling ends, then waits for the deliveries they hold.
// work is the context of the deliveries.
func (l *Lanes) Run(pulling, work context.Context) { l.run(pulling, work, l.sweep) }

// Reads reports whether a webhook's lane is being read here.
func (l *Lanes) Reads(webhookID string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, reads := l.byID[webhookID]
	return reads
}

// Open returns how many lanes this replica reads or keeps parked.
func (l *Lanes) Open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.byID)
}

// Modes returns how many lanes this replica knows of, by how they are read.
func (l *Lanes) Modes() map[string]int {
	counts := make(map[string]int, open+1)
	for m := gone; m <= open; m++ {
		counts[m.String()] = 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.byID {
		counts[mode(r.mode.Load()).String()]++
	}
	return counts
}

// Settle does what was decided after a delivery's attempts, and returns when that
// is stored. It waits while the broker is away, and returns a *stream.RefusedError at
// once: then only an operator can help, and others need the slot.
func (l *Lanes) Settle(ctx context.Context, d delivery.Delivery, attempts int, decided delivery.Decision) error {
	if decided.Action == delivery.Done {
		return nil
	}
	var refused error
	err := backoff.Retry(ctx, l.Log, backoff.Broker, "store what was decided after an attempt", func() error {
		err := l.settleOnce(ctx, d, attempts, decided)
		if errors.As(err, new(*stream.RefusedError)) {
			refused = err
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	return refused
}

func (l *Lanes) settleOnce(ctx context.Context, d delivery.Delivery, attempts int, decided delivery.Decision) error {
	switch decided.Action {
	case delivery.Retry: // the server puts it into its lane then, whichever replicas are alive
		return l.Stream.EnqueueAt(ctx, d, attempts, decided.At)
	case delivery.Remove: // what waits for a webhook that no longer exists
		return l.Stream.Discard(ctx, d.WebhookID)
	case delivery.Done, delivery.Wait: // what waits is where it was
	}
	return nil
}

// Arrived tells that a message has entered a lane.
func (l *Lanes) Arrived(a stream.Arrival) {
	if r := l.read(l, a.OrganizationID, a.WebhookID); r != nil {
		r.wake.Set()
	}
}

// sweep starts readers for lanes that have messages and are not read here.
func (l *Lanes) sweep(ctx context.Context) error {
	lanes, err := l.Stream.Lanes(ctx)
	if err != nil {
		return fmt.Errorf("find lanes: %w", err)
	}
	for webhookID := range lanes {
		if l.Reads(webhookID) {
			continue
		}
		organizationID, err := l.Stream.LaneOrganization(ctx, webhookID)
		if err != nil {
			return fmt.Errorf("find the owner of lane %s: %w", webhookID, err)
		}
		if organizationID == "" {
			continue
		}
		l.read(l, organizationID, webhookID) //nolint:contextcheck // a reader outlives the sweep that found its lane
	}
	return nil
}

func (l *Lanes) streamName() string { return proto.StreamLanes }

func (l *Lanes) mode(w *webhook.Webhook, now time.Time) mode { return modeOf(w, now) }

func (l *Lanes) inFlight(w *webhook.Webhook) int {
	if w.Ordered() {
		return 1 // what was asked for again is sent as everything else
	}
	return l.perWebhook
}

func (l *Lanes) open(ctx context.Context, w *webhook.Webhook, inFlight int, until time.Time) (*stream.Lane, error) {
	return l.Stream.OpenLane(ctx, w.ID, handedOut(inFlight), until)
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

func (l *Lanes) park(ctx context.Context, webhookID string) error {
	return l.Stream.CloseLane(ctx, webhookID)
}

func (l *Lanes) remove(ctx context.Context, r *reader) (bool, error) {
	w, err := l.fresh(ctx, r.organizationID, r.webhookID)
	if err != nil || w != nil {
		return false, err
	}
	return true, l.Stream.Discard(ctx, r.webhookID)
}

func (l *Lanes) progress(ctx context.Context, h held) (delivery.Progress, error) {
	return l.Deliverer.Progress.Of(ctx, h.delivery)
}

func (l *Lanes) settle(ctx context.Context, r *reader, h held, d delivery.Decision) bool {
	switch d.Action {
	case delivery.Done:
		return true
	case delivery.Retry, delivery.Remove:
		return l.Settle(ctx, h.delivery, h.attempts, d) == nil
	case delivery.Wait:
		l.keepPlace(ctx, h)
	}
	return false // not recorded, it comes again
}

// keepPlace gives a delivery back that waits for its webhook: first the lane is
// paused or closed, so that it is not handed out again at once.
func (l *Lanes) keepPlace(ctx context.Context, h held) {
	var err error
	if h.webhook.Status() == webhook.StatusAutoDisabled {
		err = l.Stream.CloseLane(ctx, h.delivery.WebhookID)
	} else {
		_, err = l.Stream.OpenLane(ctx, h.delivery.WebhookID, 1, h.webhook.Health.HoldUntil)
	}
	if err == nil {
		err = h.message.Return(0)
	}
	if err != nil {
		l.Log.WarnContext(ctx, "delivery not returned to its lane, will be redelivered later",
			slog.String("webhook", h.delivery.WebhookID), slog.Any("error", err))
	}
}
