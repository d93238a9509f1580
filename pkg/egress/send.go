package egress

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/fault"
)

// ErrCanceled is in the Cause of an Outcome that is none: the caller's context
// ended before the answer came, so nothing is known about the endpoint.
var ErrCanceled = errors.New("canceled by the caller")

// errDeadline is the cause with which an attempt's own deadline ends it.
var errDeadline = errors.New("deadline of the attempt passed")

// Request is what to send.
type Request struct {
	Method string
	URL    string // as the customer typed it; its normal form is requested

	// Organization is whose request it is. HTTP/1.1 connections are kept for the
	// requests of one organization: what is left on one never reaches another.
	Organization string

	// Normal is the normal form of URL, as endpoint.Normal returns it, when the
	// caller has it already; nil when not. It is shared and never changed.
	Normal *url.URL

	// Fields are the request's headers. On HTTP/1.1 they are sent in this order
	// and their names as they stand. A User-Agent is added when there is none.
	Fields delivery.Fields

	// Body is the very buffer that was signed. It must never be changed again:
	// a connection may still be reading it when Send has returned.
	Body []byte
}

// Send makes one attempt and returns what came of it. Every failure is an
// Outcome with a Reason and a Message that can be shown to the customer; its
// Cause is for the operator's log alone. A 2xx status is a success whatever
// becomes of the answer's body.
//
// When ctx ends before a status came, the Outcome is none: its Result is empty
// and its Cause wraps ErrCanceled. It says nothing about the endpoint and must
// not be recorded; the receiver may have got the request all the same.
//
// Send sends the request once more, and never a third time, on a connection that
// it makes for it, in two cases: a kept connection turned out to be closed before
// any byte of an answer came, which is no failure of the receiver's, or the
// receiver refused the request by the signs of HTTP/2. Outcome.SentTwice says so.
// Delivery is at least once, so a receiver that did read the first one drops the
// second.
//
// Phases.FirstByte is the time from a ready connection to the first byte of
// the answer, sending included; Total is the whole of Send.
func (c *Client) Send(ctx context.Context, r Request) delivery.Outcome {
	w := newWatch()
	var err error
	if r.Normal, err = c.target(r); err != nil {
		return refused(err)
	}
	var out delivery.Outcome
	resp, err := c.roundTrip(ctx, r, w)
	if err != nil {
		out = c.failed(ctx, err, r.Normal, w)
	} else {
		out = judge(resp.StatusCode, resp.Header, time.Now())
		out.Response = c.capture(resp)
	}
	w.fill(&out, err)
	return out
}

// target returns where a request goes, if the policy allows it.
func (c *Client) target(r Request) (*url.URL, error) {
	if r.Normal == nil {
		return c.policy.Target(r.URL)
	}
	return r.Normal, c.policy.CheckNormal(r.Normal)
}

// refused is the outcome of a URL that the policy does not allow: one saved
// before the operator made the policy stricter.
func refused(err error) delivery.Outcome {
	return delivery.Outcome{
		Result: delivery.Failed, Reason: delivery.ReasonBlockedAddress,
		Message: fault.Of(err).Detail, Cause: err,
	}
}

// failed is the outcome of a request that got no answer.
func (c *Client) failed(ctx context.Context, err error, target *url.URL, w *watch) delivery.Outcome {
	if ctx.Err() != nil && !errors.Is(err, errDeadline) {
		return delivery.Outcome{Cause: fmt.Errorf("%w: %w", ErrCanceled, context.Cause(ctx))}
	}
	reason, message := explain(err, circumstances{
		host:    target.Hostname(),
		timeout: c.timeout,
		stream:  w.stream,
	})
	return delivery.Outcome{Result: delivery.Failed, Reason: reason, Message: message, Cause: err}
}
