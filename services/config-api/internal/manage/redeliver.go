package manage

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// Redeliver queues a delivery once more, whatever its state. It returns NotFound
// for an unknown delivery, and with the code event-expired when its event is no
// longer kept; and a Conflict when the webhook is disabled by its event setting or
// sends another event now, or when the delivery was a test. A webhook that was
// disabled automatically gets it once it is enabled.
func (s *Service) Redeliver(ctx context.Context, by audit.Actor, organizationID, webhookID, deliveryID string) error {
	asked := s.now()
	w, err := s.Webhooks.Get(ctx, organizationID, webhookID)
	if err != nil {
		return fmt.Errorf("get webhook %s: %w", webhookID, err)
	}
	known, attempts, _, err := s.DeliveryLog.GetDelivery(ctx, organizationID, webhookID, deliveryID, store.Page{Limit: 1})
	if err != nil {
		return fmt.Errorf("get delivery %s: %w", deliveryID, err)
	}
	last := attempts[0].Attempt
	if err := redeliverable(w, last); err != nil {
		return err
	}
	d, err := s.again(ctx, last)
	if err != nil {
		return err
	}
	d.PriorAttempts = known.Attempts
	request, err := newULID(asked)
	if err != nil {
		return err
	}
	if err := s.note(ctx, audit.Redelivered(by, organizationID, webhookID, deliveryID, asked)); err != nil {
		return err
	}
	if err := s.Stream.Requeue(ctx, d, request); err != nil {
		return fmt.Errorf("queue delivery %s: %w", deliveryID, err)
	}
	if err := s.Waiting.ForgetWaiting(ctx, webhookID, d.EventSequence); err != nil { // it does not wait twice
		s.Log.WarnContext(ctx, "delivery that is made again still waits too", slog.String("deliveryId", deliveryID), slog.Any("error", err))
	}
	s.noteWaiting(ctx, w, d, "att_"+request, asked)
	return nil
}

// redeliverable returns why a delivery cannot be made again, nil when it can.
func redeliverable(w webhook.Webhook, last delivery.Attempt) error {
	switch {
	case last.Test:
		return fault.New(fault.Conflict, "test-not-redeliverable", "A test cannot be delivered again. Make a new one.")
	case w.Status() == webhook.StatusDisabled:
		return fault.New(fault.Conflict, "webhook-disabled",
			"This webhook is disabled by its event setting. Choose an event for it first.")
	case !w.Event.Matches(last.EventType):
		return fault.Newf(fault.Conflict, "event-not-sent", "This webhook no longer sends %s events.", last.EventType)
	}
	return nil
}

// again returns the delivery of which a is an attempt.
func (s *Service) again(ctx context.Context, a delivery.Attempt) (delivery.Delivery, error) {
	m, err := s.Stream.Event(ctx, a.EventSequence)
	if err != nil {
		return delivery.Delivery{}, fmt.Errorf("read event %s: %w", a.EventID, err)
	}
	e, err := m.Event()
	if err != nil {
		return delivery.Delivery{}, fmt.Errorf("understand event %s: %w", a.EventID, err)
	}
	if e.OrganizationID != a.OrganizationID || e.ID != a.EventID || e.Type != a.EventType {
		return delivery.Delivery{}, fault.New(fault.NotFound, "event-expired", "The event is no longer kept, so it cannot be delivered again.")
	}
	return delivery.Of(e, e.Body(), a.WebhookID, a.EventSequence, m.Stored), nil
}

// noteWaiting records in the log that a delivery waits again. Its time is that of
// the request, before anything could be sent; the log sorts by time, so the row
// does not hide an attempt that was already made.
func (s *Service) noteWaiting(ctx context.Context, w webhook.Webhook, d delivery.Delivery, entryID string, asked time.Time) {
	entry := delivery.Attempt{
		ID: entryID, DeliveryID: d.ID, WebhookID: d.WebhookID, OrganizationID: d.OrganizationID,
		EventID: d.EventID, EventType: d.EventType, EventSequence: d.EventSequence,
		URL: w.URL, StartedAt: asked, EndedAt: asked,
		Outcome: delivery.Outcome{Result: delivery.Deferred, Message: "Waiting to be delivered again."},
	}
	// A deferred attempt changes no health, under any policy.
	if _, err := s.Deliveries.Record(ctx, delivery.DefaultPolicy(), []delivery.Attempt{entry}); err != nil {
		// The delivery waits all the same; its next attempt will be in the log.
		s.Log.WarnContext(ctx, "redelivery not recorded", slog.String("deliveryId", d.ID), slog.Any("error", err))
	}
}

func newULID(now time.Time) (string, error) {
	id, err := ulid.New(ulid.Timestamp(now), rand.Reader)
	if err != nil {
		return "", fmt.Errorf("make an id: %w", err)
	}
	return strings.ToLower(id.String()), nil
}
