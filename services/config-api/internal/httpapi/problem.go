package httpapi

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"runtime/debug"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/services/config-api/internal/api"
)

// problemType is the media type of RFC 9457.
const problemType = "application/problem+json"

// statusOf is the one table from kinds of errors to HTTP statuses.
func statusOf(kind fault.Kind) int {
	switch kind {
	case fault.Malformed:
		return http.StatusBadRequest
	case fault.Invalid:
		return http.StatusUnprocessableEntity
	case fault.Unauthenticated:
		return http.StatusUnauthorized
	case fault.Forbidden:
		return http.StatusForbidden
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Conflict:
		return http.StatusConflict
	case fault.Stale:
		return http.StatusPreconditionFailed
	case fault.TooLarge:
		return http.StatusRequestEntityTooLarge
	case fault.UnsupportedType:
		return http.StatusUnsupportedMediaType
	case fault.RateLimited:
		return http.StatusTooManyRequests
	case fault.Unavailable:
		return http.StatusServiceUnavailable
	case fault.Internal:
		return http.StatusInternalServerError
	}
	return http.StatusInternalServerError
}

// answerError is echo's HTTPErrorHandler: the only place where an error becomes a
// response. An unclassified error is a 500 that says nothing of its cause.
func (s *server) answerError(err error, c echo.Context) {
	f, status := classify(err)
	known := requestOf(c)
	if known.problem = f.Code; status >= http.StatusInternalServerError {
		known.cause = err
	}
	if c.Response().Committed {
		return
	}
	header := c.Response().Header()
	switch status {
	case http.StatusUnauthorized:
		header.Set(echo.HeaderWWWAuthenticate, `Bearer realm="dialnote"`)
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		if header.Get(echo.HeaderRetryAfter) == "" {
			header.Set(echo.HeaderRetryAfter, strconv.Itoa(cmp.Or(int(math.Ceil(f.RetryAfter.Seconds())), 5)))
		}
	}
	text, err := json.Marshal(problemOf(f, status, known.id))
	if err != nil {
		text = []byte("{}") // a problem holds nothing that cannot be written
	}
	header.Set(echo.HeaderContentType, problemType)
	c.Response().WriteHeader(status)
	_, _ = c.Response().Write(text) // a caller that has left cannot be told
}

// classify returns the fault that an error is, and its status.
func classify(err error) (*fault.Error, int) {
	if e, ok := errors.AsType[*fault.Error](err); ok {
		return e, statusOf(e.Kind)
	}
	if e, ok := errors.AsType[*echo.HTTPError](err); ok {
		return fromEcho(e)
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		e := fault.New(fault.Unavailable, "timed-out", "This took too long. Try again.").Because(err)
		return e, statusOf(e.Kind)
	}
	e := fault.Of(err)
	return e, statusOf(e.Kind)
}

// fromEcho returns what echo's router and the generated code refuse.
func fromEcho(e *echo.HTTPError) (*fault.Error, int) {
	switch e.Code {
	case http.StatusNotFound:
		return fault.New(fault.NotFound, "not-found", "There is nothing at this address."), e.Code
	case http.StatusMethodNotAllowed:
		return fault.New(fault.Malformed, "method-not-allowed", "This address does not know that method; the Allow header lists those it knows."), e.Code
	case http.StatusBadRequest:
		return fault.New(fault.Malformed, "invalid-parameter", "A parameter or header cannot be read.").Because(e), e.Code
	default:
		f := fault.Of(fmt.Errorf("unexpected refusal: %w", e))
		return f, statusOf(f.Kind)
	}
}

func problemOf(f *fault.Error, status int, requestID string) api.Problem {
	p := api.Problem{
		Type:      "urn:dialnote:problem:" + f.Code,
		Title:     http.StatusText(status),
		Status:    status,
		Detail:    f.Detail,
		Instance:  "urn:dialnote:request:" + requestID,
		RequestID: requestID,
	}
	if f.Quota != nil {
		p.Quota = &api.ExceededQuota{Name: api.ExceededQuotaName(f.Quota.Name), LimitBytes: f.Quota.Limit, UsedBytes: f.Quota.Used}
		if !f.Quota.RoomAt.IsZero() {
			p.Quota.RoomAt = &f.Quota.RoomAt
		}
	}
	if len(f.Fields) > 0 {
		fields := make([]api.ProblemField, 0, len(f.Fields))
		for _, field := range f.Fields {
			fields = append(fields, api.ProblemField{Pointer: field.Pointer, Detail: field.Detail})
		}
		p.Errors = &fields
	}
	return p
}

// panicError is a panic of a handler, with where it happened.
type panicError struct {
	value any
	stack []byte
}

// Error returns the value and the stack: text for the operator.
func (e *panicError) Error() string { return fmt.Sprintf("panic: %v\n%s", e.value, e.stack) }

// recoverPanic turns a panic into an error, so that it answers 500.
func recoverPanic(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			v := recover()
			if abort, ok := v.(error); ok && errors.Is(abort, http.ErrAbortHandler) {
				panic(v) // http.ErrAbortHandler, which net/http handles
			}
			if v != nil {
				err = &panicError{value: v, stack: debug.Stack()}
			}
		}()
		return next(c)
	}
}
