// Package tester sends the requests of the Test button: signed, guarded and
// bounded in time as any delivery, but at once, and with the outcome as the
// answer.
package tester

import (
	"context"
	"fmt"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/trace"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/dispatcher/internal/deliver"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
)

// recordTimeout is how long a test waits for its row in the log. Its outcome is
// known by then, and the caller waits for the answer.
const recordTimeout = 5 * time.Second

// Tester makes tests. Safe for concurrent use.
type Tester struct {
	Matcher   *match.Matcher
	Sender    deliver.Sender
	Deliverer *deliver.Deliverer
	UserAgent string // that Sender would add; it is set here to be shown
	Now       func() time.Time
	Tracer    *trace.Tracer
}

// Test sends the call's event to its webhook once, and returns the outcome and
// the request when they are recorded. The error is a fault: NotFound when the
// webhook does not exist, Conflict when it is not active or does not send such
// events, Unavailable when the replica stops meanwhile or the outcome cannot be
// recorded.
func (t *Tester) Test(ctx context.Context, call stream.TestCall) (delivery.TestResult, error) {
	e, err := event.ParseJSON(call.Event)
	if err != nil {
		return delivery.TestResult{}, fmt.Errorf("read the event of a test: %w", err)
	}
	target, err := t.find(ctx, call, e.Type)
	if err != nil {
		return delivery.TestResult{}, err
	}
	d := delivery.Of(e, e.Body(), target.Webhook.ID, 0, t.Now())
	c := &capture{sender: t.Sender, userAgent: t.UserAgent}
	sending, span := t.Tracer.Attempt(ctx, &d, target.Webhook.Provider, 1)
	a, ok := deliver.Attempt(sending, c, t.Now, target, d, 1)
	span.Attempted(&a.Outcome)
	if !ok {
		return delivery.TestResult{}, fault.New(fault.Unavailable, "no-dispatcher", "The test was interrupted. Try again in a moment.").Because(context.Cause(ctx))
	}
	a.Test, a.Body = true, d.Body
	recording, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	if err := t.Deliverer.RecordTest(recording, target, d, a); err != nil {
		return delivery.TestResult{}, fault.New(fault.Unavailable, "test-not-recorded",
			"The test was sent, but our database cannot record what came of it at the moment. Try again soon.").Because(err)
	}
	return delivery.TestResult{Attempt: a, Request: c.request(a.HeaderNames)}, nil
}

// find reads the webhook from the database: the test is of the settings as they
// were saved a moment ago, which the cache may not have yet.
func (t *Tester) find(ctx context.Context, call stream.TestCall, kind event.Type) (*match.Target, error) {
	t.Matcher.Drop(call.OrganizationID)
	target, err := t.Matcher.Find(ctx, call.OrganizationID, call.WebhookID)
	switch {
	case err != nil:
		return nil, fmt.Errorf("find webhook %s: %w", call.WebhookID, err)
	case target == nil:
		return nil, fault.New(fault.NotFound, "webhook-not-found", "There is no such webhook.")
	case target.Webhook.Status() != webhook.StatusActive:
		return nil, fault.New(fault.Conflict, "webhook-not-active", "Only an active webhook can be tested.")
	case !target.Webhook.Event.Matches(kind):
		return nil, fault.New(fault.Conflict, "webhook-changed", "The webhook's event was changed just now. Test it again.")
	}
	return target, nil
}
