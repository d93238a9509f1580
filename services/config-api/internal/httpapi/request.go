package httpapi

import (
	"crypto/rand"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/oklog/ulid/v2"

	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/services/config-api/internal/auth"
	"github.com/dialnote/webhooks/services/config-api/internal/contract"
)

// request is what middlewares and handlers know of a request.
type request struct {
	id        string
	operation *contract.Operation // nil before a route was found
	caller    auth.Caller
	problem   string // the code of the problem in the response, "" for none
	cause     error  // of an internal problem
}

const requestKey = "dialnote.request"

// requestOf returns what is known of c's request.
func requestOf(c echo.Context) *request {
	if r, ok := c.Get(requestKey).(*request); ok {
		return r
	}
	r := &request{id: requestID(c.Request().Header.Values(echo.HeaderXRequestID))}
	c.Set(requestKey, r)
	return r
}

// actor returns the caller of c's request, for the audit log.
func actor(c echo.Context) audit.Actor { return requestOf(c).caller.Actor }

// requestID returns the caller's request id when it is short and plain, so
// that it cannot forge a log or a header, and a new one otherwise.
func requestID(given []string) string {
	if len(given) == 1 && plainID(given[0]) {
		return given[0]
	}
	id, err := ulid.New(ulid.Timestamp(time.Now()), rand.Reader)
	if err != nil {
		return "req_unknown" // the clock is past the year 10889
	}
	return "req_" + strings.ToLower(id.String())
}

func plainID(id string) bool {
	const most = 128
	return id != "" && len(id) <= most && !strings.ContainsFunc(id, func(r rune) bool {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
			return false
		}
		return true
	})
}

// readBody returns the body of a request as text, once its type and size are
// what the operation reads. It is nil for an absent body that may be absent.
func readBody(c echo.Context) ([]byte, error) {
	r, body := c.Request(), requestOf(c).operation.Body
	text, err := io.ReadAll(http.MaxBytesReader(c.Response(), r.Body, body.MaxBytes))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, fault.Newf(fault.TooLarge, "body-too-large", "The body is larger than %d bytes.", body.MaxBytes)
	}
	if err != nil {
		return nil, fault.New(fault.Malformed, "body-unreadable", "The body did not arrive completely.").Because(err)
	}
	if len(text) == 0 && !body.Required {
		return nil, nil
	}
	if err := checkType(r, body); err != nil {
		return nil, err
	}
	return text, nil
}

func checkType(r *http.Request, body *contract.Body) error {
	accepted := strings.Join(body.Types, " or ")
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return fault.New(fault.UnsupportedType, "unsupported-content-encoding", "Send the body without a Content-Encoding.")
	}
	given, parameters, err := mime.ParseMediaType(r.Header.Get(echo.HeaderContentType))
	if err != nil || !slices.Contains(body.Types, given) {
		return fault.Newf(fault.UnsupportedType, "unsupported-content-type", "Send the body as %s.", accepted)
	}
	if charset, ok := parameters["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return fault.Newf(fault.UnsupportedType, "unsupported-content-type", "Send the body as %s in UTF-8.", accepted)
	}
	return nil
}

// decode reads a request's body into a value of its generated type. The fields
// are those that the schema refuses; into has every other one.
func decode(c echo.Context, into any) ([]fault.Field, error) {
	text, err := readBody(c)
	if err != nil {
		return nil, err
	}
	return decodeText(c, text, into)
}

func decodeText(c echo.Context, text []byte, into any) ([]fault.Field, error) {
	body := requestOf(c).operation.Body
	if text == nil && !body.Required {
		return nil, nil
	}
	return body.Decode(text, into)
}

func notFound() error {
	return fault.New(fault.NotFound, "not-found", "There is nothing at this address.")
}
