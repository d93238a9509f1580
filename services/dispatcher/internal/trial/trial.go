// Package trial makes the requests of the Test button: the same signing, guard
// and deadline as any delivery, at once, and with the outcome as the answer.
package trial

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/egress"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/trace"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/dispatcher/internal/deliver"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
)

// recordWithin is how long the caller waits for the log: the outcome is known
// by then.
const recordWithin = 5 * time.Second

// Matcher finds a webhook.
type Matcher interface {
	Find(ctx context.Context, organizationID, webhookID string) (*match.Target, error)
	Drop(organizationID string)
}

// Tester makes tests. Safe for concurrent use.
type Tester struct {
	Matcher   Matcher
	Sender    deliver.Sender
	Deliverer *deliver.Deliverer
	UserAgent string // as the sender's: it is set here to be shown
	Now       func() time.Time
	Tracer    *trace.Tracer
}

// Test sends the call's event to its webhook, once, and returns what came of it
// when that is recorded. It returns NotFound for a webhook that is not there,
// and a Conflict for one that is not active or does not send such an event.
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
	w := &witness{sender: t.Sender, userAgent: t.UserAgent}
	sending, span := t.Tracer.Attempt(ctx, &d, target.Webhook.Provider, 1)
	a, ok := deliver.Attempt(sending, w, t.Now, target, d, 1)
	span.Attempted(&a.Outcome)
	if !ok {
		return delivery.TestResult{}, fault.New(fault.Unavailable, "no-dispatcher", "The test was interrupted. Try again in a moment.").Because(context.Cause(ctx))
	}
	a.Test, a.Body = true, d.Body
	recording, cancel := context.WithTimeout(ctx, recordWithin)
	defer cancel()
	if err := t.Deliverer.RecordTest(recording, target, d, a); err != nil {
		return delivery.TestResult{}, fault.New(fault.Unavailable, "test-not-recorded",
			"The test was sent, but our database cannot record what came of it at the moment. Try again soon.").Because(err)
	}
	return delivery.TestResult{Attempt: a, Request: w.request(a.HeaderNames)}, nil
}

// find looks the webhook up in the database: a change that was saved just now
// is what is to be tested.
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

// witness keeps the one request that is sent through it.
type witness struct {
	sender    deliver.Sender
	userAgent string
	sent      egress.Request
}

// Send implements deliver.Sender.
func (w *witness) Send(ctx context.Context, r egress.Request) delivery.Outcome {
	r.Fields = append(slices.Clone(r.Fields), delivery.Field{Name: "User-Agent", Value: w.userAgent})
	w.sent = r
	return w.sender.Send(ctx, r)
}

// request returns the request with masks for the values of these headers.
func (w *witness) request(masked []string) delivery.Request {
	header := w.sent.Fields.Header()
	for _, name := range masked {
		if _, sent := header[name]; sent {
			header[name] = []string{webhook.HeaderMask}
		}
	}
	return delivery.Request{URL: w.sent.URL, Header: header, Body: w.sent.Body}
}
