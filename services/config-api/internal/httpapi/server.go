// Package httpapi serves the API document's operations over HTTP.
package httpapi

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/dialnote/webhooks/pkg/ops"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/trace"
	"github.com/dialnote/webhooks/services/config-api/internal/api"
	"github.com/dialnote/webhooks/services/config-api/internal/auth"
	"github.com/dialnote/webhooks/services/config-api/internal/contract"
	"github.com/dialnote/webhooks/services/config-api/internal/docs"
	"github.com/dialnote/webhooks/services/config-api/internal/eventfeed"
	"github.com/dialnote/webhooks/services/config-api/internal/live"
	"github.com/dialnote/webhooks/services/config-api/internal/manage"
)

// requestTime bounds the work for one request.
const requestTime = 30 * time.Second

// Authenticator turns a request's credential into a caller.
type Authenticator interface {
	// Authenticate returns who makes the request, when one of the schemes
	// allows it, and a fault of kind Unauthenticated otherwise.
	Authenticate(r *http.Request, schemes []string) (auth.Caller, error)

	// HasServiceToken reports whether the request has a good service token.
	HasServiceToken(r *http.Request) bool
}

// Options are what the server works with. All are needed but those that say
// otherwise.
type Options struct {
	Document      *contract.Document
	Service       *manage.Service
	Live          *live.Hub
	Feed          *eventfeed.Feed
	Places        eventfeed.Places
	Authenticator Authenticator
	Idempotency   store.Idempotency
	Health        *ops.Health
	Registry      *prometheus.Registry
	Now           func() time.Time
	Log           *slog.Logger
	Tracer        *trace.Tracer // nil for none
	Limits        Limits        // none when zero
	Reading       *Reading
	EmbedHosts    []string // hosts whose pages may show the page in a frame; none when empty

	// Page is the settings page; nil serves none.
	Page http.Handler
}

// server implements the generated interface.
type server struct {
	Options
	docs     *docs.Page
	metrics  http.Handler
	limiters *limiters
	shares   *shares
}

// New returns the handler of the whole API.
func New(o Options) (http.Handler, error) {
	page, err := docs.New(o.Document)
	if err != nil {
		return nil, fmt.Errorf("render the documentation: %w", err)
	}
	limiters, err := newLimiters(o.Limits, o.Now)
	if err != nil {
		return nil, err
	}
	shares, err := newShares(o.Registry)
	if err != nil {
		return nil, err
	}
	s := &server{Options: o, docs: page, metrics: promhttp.HandlerFor(o.Registry, promhttp.HandlerOpts{}), limiters: limiters, shares: shares}
	observer, err := newObserver(o)
	if err != nil {
		return nil, err
	}
	e := echo.New()
	e.HTTPErrorHandler = s.answerError
	e.Use(observer.observe, secure(o.EmbedHosts), recoverPanic)
	s.route(e)
	observer.routes = routesOf(e)
	return e, nil
}

// route registers every operation of the document, each behind its guard.
func (s *server) route(e *echo.Echo) {
	guards := map[string][]echo.MiddlewareFunc{}
	for _, op := range s.Document.Operations() {
		guards[op.ID] = []echo.MiddlewareFunc{s.guard(op)}
	}
	api.RegisterHandlersWithOptions(withHead{e}, s, api.RegisterHandlersOptions{OperationMiddlewares: guards})
	e.GET("/docs/style.css", s.getStyle)
	s.servePage(e)
}

// withHead answers HEAD wherever GET is answered (RFC 9110, section 9.1).
type withHead struct{ *echo.Echo }

// GET registers h for GET and HEAD.
func (e withHead) GET(path string, h echo.HandlerFunc, m ...echo.MiddlewareFunc) *echo.Route {
	e.HEAD(path, h, m...)
	return e.Echo.GET(path, h, m...)
}

func routesOf(e *echo.Echo) map[string]bool {
	routes := map[string]bool{}
	for _, r := range e.Routes() {
		routes[r.Path] = true
	}
	return routes
}

// guard passes a request on to its operation when its credential opens it and its
// parameters are as the document says.
func (s *server) guard(op *contract.Operation) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r := c.Request()
			known := requestOf(c)
			known.operation = op
			if len(op.Security) > 0 {
				caller, err := s.Authenticator.Authenticate(r, op.Security)
				if err != nil {
					return s.limiters.stranger(c, err)
				}
				known.caller = caller
				if err := s.limiters.caller(c, caller); err != nil {
					return err
				}
			}
			if err := op.CheckParameters(r, c.Param); err != nil {
				return err
			}
			if org := c.Param("org"); org != "" && !known.caller.MayReach(org) {
				return notFound()
			}
			if op.Streams() {
				ctx, cancel := s.whileCredentialValid(r, op.Security)
				defer cancel()
				c.SetRequest(r.WithContext(ctx))
				return next(c)
			}
			ctx, cancel := context.WithTimeout(r.Context(), s.timeFor(op))
			defer cancel()
			c.SetRequest(r.WithContext(ctx))
			if len(op.Security) == 0 {
				return next(c)
			}
			leave, err := s.shares.enter(ctx, holderOf(c, known.caller), r.Method)
			if err != nil {
				return err
			}
			defer leave()
			if readsMuch(op) {
				end, err := s.Reading.Begin(ctx, holderOf(c, known.caller))
				if err != nil {
					return err
				}
				defer end()
			}
			return next(c)
		}
	}
}
