package httpapi

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/dialnote/webhooks/pkg/trace"
)

// writeTime bounds the writing of an answer: a caller that reads too slowly is
// cut off. An operation whose answer goes on for longer extends it.
const writeTime = time.Minute

// observer writes one log line for each request, and counts it.
type observer struct {
	log      *slog.Logger
	now      func() time.Time
	tracer   *trace.Tracer
	believes func(*http.Request) bool // whether its traceparent counts
	routes   map[string]bool
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	inFlight prometheus.Gauge
}

func newObserver(o Options) (*observer, error) {
	made := &observer{
		log:      o.Log,
		now:      o.Now,
		tracer:   o.Tracer,
		believes: func(r *http.Request) bool { return o.Authenticator.HasServiceToken(r) },
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dialnote_api_requests_total",
			Help: "Requests answered, by route, method and status.",
		}, []string{"route", "method", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "dialnote_api_request_duration_seconds",
			Help:    "Time from a request's headers to the end of its answer, by route and method.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},

			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160,
		}, []string{"route", "method"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "dialnote_api_requests_in_flight",
			Help: "Requests being handled.",
		}),
	}
	for _, c := range []prometheus.Collector{made.requests, made.duration, made.inFlight} {
		if err := o.Registry.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return made, nil
}

// observe is the outermost middleware: it gives the request its id, answers its
// error, logs and counts it.
func (o *observer) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := o.now()
		known := requestOf(c)
		c.Response().Header().Set(echo.HeaderXRequestID, known.id)
		_ = http.NewResponseController(c.Response()).SetWriteDeadline(start.Add(writeTime)) // not every writer can
		o.inFlight.Inc()
		defer o.inFlight.Dec()
		var span trace.Span
		if !askedByMachines(c.Request().URL.Path) {
			var traced *http.Request
			traced, span = o.tracer.Request(c.Request(), o.believes)
			c.SetRequest(traced)
		}
		if err := next(c); err != nil {
			c.Error(err)
		}
		o.tell(c, known, o.now().Sub(start))
		span.Answered(methodLabel(c.Request().Method), o.route(c), c.Response().Status)
		return nil
	}
}

func (o *observer) tell(c echo.Context, known *request, took time.Duration) {
	route, method, status := o.route(c), methodLabel(c.Request().Method), c.Response().Status
	o.requests.WithLabelValues(route, method, strconv.Itoa(status)).Inc()
	if route != pageLive && (known.operation == nil || !known.operation.Streams()) { // the duration of a stream says nothing
		o.duration.WithLabelValues(route, method).Observe(took.Seconds())
	}
	o.log.LogAttrs(c.Request().Context(), level(route, status), "request", attrs(c, known, route, took)...)
}

// attrs are the facts of a request. They hold the route and not the path, because
// an unknown path may hold anything.
func attrs(c echo.Context, known *request, route string, took time.Duration) []slog.Attr {
	r := c.Request()
	const most = 16 // of those below
	list := append(make([]slog.Attr, 0, most),
		slog.String("requestId", known.id),
		slog.String("method", methodLabel(r.Method)),
		slog.String("route", route),
		slog.Int("status", c.Response().Status),
		slog.Duration("took", took),
		slog.Int64("bytesIn", max(r.ContentLength, 0)),
		slog.Int64("bytesOut", c.Response().Size),
		slog.String("remoteAddr", r.RemoteAddr),
	)
	if known.caller.Name != "" {
		list = append(list, slog.String("caller", known.caller.ID()))
	}
	if known.operation != nil && c.Response().Status != http.StatusNotFound {
		for _, name := range c.ParamNames() {
			list = append(list, slog.String(name, c.Param(name)))
		}
	}
	if known.problem != "" {
		list = append(list, slog.String("problem", known.problem))
	}
	if known.cause != nil {
		list = append(list, slog.String("error", known.cause.Error()))
	}
	return list
}

func level(route string, status int) slog.Level {
	switch {
	case status >= http.StatusInternalServerError && status != http.StatusNotImplemented && route != "/readyz":
		return slog.LevelError
	case askedByMachines(route):
		return slog.LevelDebug
	default:
		return slog.LevelInfo
	}
}

// askedByMachines reports whether a path is one that a monitor requests every few
// seconds.
func askedByMachines(path string) bool {
	return path == "/livez" || path == "/readyz" || path == "/metrics"
}

// route returns the pattern of the request's path: a bounded label.
func (o *observer) route(c echo.Context) string {
	if page := pageRoute(c.Request()); page != "" {
		return page
	}
	if o.routes[c.Path()] {
		return c.Path()
	}
	return "unmatched"
}

// methodLabel returns a bounded label for a method, which may be any text.
func methodLabel(method string) string {
	known := []string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut,
		http.MethodPatch, http.MethodDelete, http.MethodOptions,
	}
	if slices.Contains(known, method) {
		return method
	}
	return "other"
}
