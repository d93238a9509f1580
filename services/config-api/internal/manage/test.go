package manage

import (
	"context"
	"fmt"
	"time"

	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// answerGrace is the time that a test may take beyond the attempt itself: to find a
// dispatcher, to be recorded, and for the reply.
const answerGrace = 8 * time.Second

// TestTime returns how long a test takes at most.
func (s *Service) TestTime() time.Duration { return s.DeliveryTimeout + answerGrace }

// Test sends a test to a webhook and returns the result. It can end a hold, and so
// is a change, which the audit log gets first. body is read by event.ParseTest,
// whose errors pass through; an empty one is a sample. It returns NotFound, a
// Conflict when the webhook is not active (specification, section 6), or
// Unavailable when no dispatcher can make the test.
func (s *Service) Test(ctx context.Context, by audit.Actor, organizationID, id string, body []byte) (delivery.TestResult, error) {
	w, err := s.Webhooks.Get(ctx, organizationID, id)
	if err != nil {
		return delivery.TestResult{}, fmt.Errorf("get webhook %s: %w", id, err)
	}
	if w.Status() != webhook.StatusActive {
		return delivery.TestResult{}, fault.New(fault.Conflict, "webhook-not-active", notActive(w))
	}
	e, err := event.ParseTest(body, event.Type(w.Event), organizationID, s.Now())
	if err != nil {
		return delivery.TestResult{}, fmt.Errorf("read test: %w", err)
	}
	if err := s.note(ctx, audit.Tested(by, organizationID, id, e.ID, s.now())); err != nil {
		return delivery.TestResult{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.TestTime())
	defer cancel()
	result, err := s.Stream.Test(ctx, stream.TestCall{OrganizationID: organizationID, WebhookID: id, Event: e.Body()})
	if err != nil {
		return delivery.TestResult{}, fmt.Errorf("test webhook %s: %w", id, err)
	}
	return result, nil
}

func notActive(w webhook.Webhook) string {
	if w.Status() == webhook.StatusAutoDisabled {
		return "Only an active webhook can be tested. This one was disabled automatically: enable it first."
	}
	return "Only an active webhook can be tested. This one is disabled: choose an event for it first."
}
