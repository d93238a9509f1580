package http2

import (
	"context"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
)

// Conn is one connection. It is safe for concurrent use.
type Conn struct {
	client *http2.ClientConn //nolint:staticcheck // deprecated: see the package's comment
	meter  *meter
	reused atomic.Bool
	dead   atomic.Bool // a request could not be sent on it
}

// Exchange is what is known of one request on a connection after RoundTrip.
type Exchange struct {
	Reused  bool      // the connection had carried an earlier request
	Sent    bool      // the request's head was written
	Started time.Time // when the answer began; zero if it did not
}

// RoundTrip sends a request, until the end of its context, and returns the head of
// its answer. It never sends the request again. The caller closes the answer's
// body.
//
// Refused, NeedsHTTP1 and Malformed tell errors apart. Any other is the
// connection's own, or the context's.
func (c *Conn) RoundTrip(r *http.Request) (*http.Response, Exchange, error) {
	var sent atomic.Bool
	var started atomic.Int64
	trace := &httptrace.ClientTrace{
		WroteHeaders:         func() { sent.Store(true) },
		GotFirstResponseByte: func() { started.CompareAndSwap(0, time.Now().UnixNano()) },
	}
	x := Exchange{Reused: c.reused.Swap(true)}
	c.meter.begin()
	resp, err := c.client.RoundTrip(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
	x.Sent = sent.Load()
	if at := started.Load(); at != 0 {
		x.Started = time.Unix(0, at)
	}
	if err != nil {
		c.meter.end()
		if !x.Sent && r.Context().Err() == nil {
			c.dead.Store(true)
		}
		return nil, x, c.explain(err)
	}
	resp.Body = &body{ReadCloser: resp.Body, meter: c.meter}
	return resp, x, nil
}

// usable reports whether the connection can take a request, and reserves a stream
// for it. x/net would have a connection that ended before its first request take
// one, to tell it the error, and so each request after that.
func (c *Conn) usable() bool { return !c.dead.Load() && c.client.ReserveNewRequest() }

// Reused reports whether the connection has carried a request.
func (c *Conn) Reused() bool { return c.reused.Load() }

// Stream returns the connection that Pool.Add was given.
func (c *Conn) Stream() net.Conn { return c.meter.Conn }

// closed reports whether the connection has ended, or ends when the requests on it
// have their answers.
func (c *Conn) closed() bool {
	state := c.client.State()
	return state.Closed || state.Closing
}

// shutdown closes the connection when the requests on it have their answers, or
// when ctx ends.
func (c *Conn) shutdown(ctx context.Context) {
	if c.client.Shutdown(ctx) != nil {
		_ = c.client.Close() // what was under way has ended with ctx
	}
}
