// Package fault is the one error vocabulary of the project.
//
// An error that a caller can act on is an *Error: a Kind that decides the HTTP
// status, a Code that programs may rely on, a Detail in plain words that is
// safe to show to a customer, and the cause, which only the operator sees.
// Every other error is internal: it answers 500 and its text stays in the log.
package fault

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kind is the class of an error. The zero Kind is Internal, so that an
// unclassified error never leaks its text.
type Kind int

// The kinds. The HTTP status of each stands in one table, in config-api.
const (
	Internal        Kind = iota // our fault: 500, logged, no detail shown
	Malformed                   // the request could not be read at all: 400
	Invalid                     // the request was read and breaks a rule: 422
	Unauthenticated             // no credential, or one we do not know: 401
	Forbidden                   // a known credential that may not do this: 403
	NotFound                    // no such thing, or another organization's: 404
	Conflict                    // the thing's state forbids it: 409
	Stale                       // If-Match names an older version: 412
	TooLarge                    // a body or list over its limit: 413
	UnsupportedType             // a content type we do not read: 415
	RateLimited                 // too many requests: 429
	Unavailable                 // a part we need is away; try again: 503
)

// Field is one wrong input: a JSON pointer (RFC 6901) into the request body,
// or the name of a parameter, and what to do about it in plain words.
type Field struct {
	Pointer string `json:"pointer"`
	Detail  string `json:"detail"`
}

// Error is an error whose Detail may be shown to the customer.
type Error struct {
	Kind   Kind
	Code   string // stable, kebab case: the last part of the problem's type URI
	Detail string // plain words, safe to show
	Fields []Field
	Cause  error // for the operator; never shown

	RetryAfter time.Duration // when the same call may succeed, 0 when that is not known
	Quota      *Quota        // that there is no room in, nil for none
}

// Quota is a quota that has no room for what was to be stored.
type Quota struct {
	Name        string
	Limit, Used int64     // bytes
	RoomAt      time.Time // when there is room again, zero when that depends on the customer
}

// New returns an error of a kind with a stable code and a detail that is safe
// to show to a customer.
func New(kind Kind, code, detail string) *Error {
	return &Error{Kind: kind, Code: code, Detail: detail}
}

// Newf is New with a formatted detail.
func Newf(kind Kind, code, format string, args ...any) *Error {
	return New(kind, code, fmt.Sprintf(format, args...))
}

// InvalidFields returns an Invalid error that names each wrong field.
func InvalidFields(fields ...Field) *Error {
	details := make([]string, 0, len(fields))
	for _, f := range fields {
		details = append(details, f.Detail)
	}
	return &Error{Kind: Invalid, Code: "invalid", Detail: strings.Join(details, " "), Fields: fields}
}

// Because returns a copy of e with its cause set.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.Cause = cause
	return &c
}

// Error returns the code, the detail and the cause: text for the operator.
func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Code + ": " + e.Detail + ": " + e.Cause.Error()
	}
	return e.Code + ": " + e.Detail
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Of returns the *Error in err's chain, or an Internal one around err when
// there is none. It returns nil for a nil err.
func Of(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Kind: Internal, Code: "internal", Detail: "Something went wrong on our side. Try again; if it goes on, tell us the request id.", Cause: err}
}

// Is reports whether err is of a kind. It is false for a nil err.
func Is(err error, kind Kind) bool { return err != nil && Of(err).Kind == kind }
