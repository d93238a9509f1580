package stream

import (
	"context"
	"errors"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/dialnote/webhooks/pkg/fault"
)

// RefusedError says that the server refuses a message for as long as an operator
// does not change its settings: waiting for it would hold up what is not refused.
type RefusedError struct {
	Subject string
	Do      string // what the operator has to do
	Cause   error
}

// Error says what was refused and what to do.
func (e *RefusedError) Error() string {
	return "NATS refuses messages to " + e.Subject + ": " + e.Do + " (" + e.Cause.Error() + ")"
}

// Unwrap returns the server's or the client's error.
func (e *RefusedError) Unwrap() error { return e.Cause }

// refusalKept is for how long messages to a kind of subject are not tried again after
// the server has said that this user may not publish there. The server does not say
// it in the reply, and so each try waits for the whole publishTimeout.
const refusalKept = 10 * time.Second

// refusals are the kinds of subjects to which this user may not publish, as the server
// has said.
type refusals struct {
	mu sync.Mutex
	at map[string]time.Time // by kindOf
}

// kindOf returns the first two tokens of a subject: what permissions are for.
func kindOf(subject string) string {
	parts := strings.SplitN(subject, ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}

// note keeps a refusal from the server's asynchronous error. It reports whether it
// was one, and the first of its kind for a while.
func (r *refusals) note(err error, now time.Time) (subject string, first bool) {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return "", false
	}
	named := regexp.MustCompile(`(?i)publish to "([^"]+)"`).FindStringSubmatch(err.Error())
	if named == nil {
		return "", false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	kind := kindOf(named[1])
	first = now.Sub(r.at[kind]) >= refusalKept
	if r.at == nil {
		r.at = make(map[string]time.Time)
	}
	r.at[kind] = now
	return named[1], first
}

// of returns a *RefusedError for a subject to which the server has just refused to
// take messages, else nil.
func (r *refusals) of(subject string, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, refused := r.at[kindOf(subject)]
	if !refused || now.Sub(at) >= refusalKept {
		return nil
	}
	return &RefusedError{Subject: subject, Do: "give this user the permission that deploy/nats has for its service", Cause: nats.ErrPermissionViolation}
}

// refused returns err, of publishing a message, as a *RefusedError when the server
// refuses it for good. A missing permission is of kind Unavailable all the same: a
// caller that has no use for the difference sees that the broker cannot store it now.
func (c *Conn) refused(ctx context.Context, msg *nats.Msg, err error) error {
	const tooLarge = 10054 // for the stream
	var api *jetstream.APIError
	errors.As(err, &api)
	if errors.Is(err, nats.ErrMaxPayload) || api != nil && api.ErrorCode == tooLarge {
		return &RefusedError{Subject: msg.Subject, Do: "it is larger than the server takes; set max_payload to 1MB or more", Cause: err}
	}
	if refusal := c.refusals.of(msg.Subject, time.Now()); refusal != nil {
		return fault.New(fault.Unavailable, "broker-unavailable", "The message broker cannot store messages now. Try again in a moment.").Because(refusal)
	}
	if api != nil && api.ErrorCode == storeFailed && c.full(ctx, msg) {
		return fullFault(msg.Subject).Because(err)
	}
	return unavailable(err)
}

// clientError logs an error that the client reports by itself.
func (c *Conn) clientError(log *slog.Logger, sub *nats.Subscription, err error) {
	attrs := []any{slog.Any("error", err)}
	if sub != nil {
		attrs = append(attrs, slog.String("subject", sub.Subject))
	}
	subject, first := c.refusals.note(err, time.Now())
	switch {
	case subject == "":
		log.Warn("NATS client error", attrs...)
	case first:
		log.Error("this user may not publish to a subject on NATS, give it the permissions of deploy/nats for its service", slog.String("subject", subject))
	}
}
