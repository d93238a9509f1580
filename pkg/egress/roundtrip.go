package egress

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/egress/http1"
	"github.com/dialnote/webhooks/pkg/egress/http2"
)

// Bounds of one attempt, whatever its server asks for by hanging up or by the
// signs of HTTP/2 (GOAWAY, REFUSED_STREAM, HTTP_1_1_REQUIRED).
const (
	maxDials = 4 // connections made
	maxSends = 2 // times that the request is sent
)

// exchange is one attempt's request on its way to an answer.
type exchange struct {
	client   *Client
	request  Request
	key      http1.Key
	deadline time.Time
	watch    *watch
	dials    int // connections made so far
}

// roundTrip sends a request and returns the head of its answer. A request that a
// kept connection did not answer at all, or that the server refused by the signs
// of HTTP/2, is sent once more, on a connection made for it.
func (c *Client) roundTrip(ctx context.Context, r Request, w *watch) (*http.Response, error) {
	r.Fields = c.complete(r.Fields)
	if err := valid(r); err != nil {
		return nil, err
	}
	x := &exchange{client: c, request: r, key: keyOf(r), deadline: w.start.Add(c.timeout), watch: w}
	for {
		resp, again, err := x.try(ctx)
		switch {
		case err == nil && (resp.StatusCode < 100 || resp.StatusCode > 599): // RFC 9110, section 15
			_ = resp.Body.Close()
			return nil, fmt.Errorf("%w: its status is %d", http1.ErrMalformed, resp.StatusCode)
		case err == nil, !again, w.sent >= maxSends, x.dials >= maxDials, over(ctx, err):
			return resp, err
		}
	}
}

// over reports whether an error leaves no time to send a request again.
func over(ctx context.Context, err error) bool { return ctx.Err() != nil || deadline(err) }

// keyOf returns what the connections of a request are kept for.
func keyOf(r Request) http1.Key {
	return http1.Key{Organization: r.Organization, Secure: r.Normal.Scheme == "https", Host: r.Normal.Host}
}

// try sends the request on a kept connection or on one that it makes, once that
// is needed. It reports whether the request may be sent again after the error.
func (x *exchange) try(ctx context.Context) (resp *http.Response, again bool, err error) {
	if x.watch.sent == 0 {
		if c := x.keptHTTP2(); c != nil {
			return x.overHTTP2(ctx, c)
		}
		if c := x.client.http1.Take(x.key); c != nil {
			return x.overHTTP1(ctx, c)
		}
	}
	limited, stop := context.WithDeadlineCause(ctx, x.deadline, errDeadline)
	defer stop()
	x.dials++
	s, err := x.client.dialer.dial(limited, x.key, x.client.onlyHTTP1.has(x.key.Host))
	if err != nil {
		return nil, false, err
	}
	if !s.speaksHTTP2() {
		return x.overHTTP1(ctx, x.client.http1.NewConn(s, x.key))
	}
	c, err := x.client.http2.Add(s, x.key.Host)
	if err != nil {
		x.watch.got(s, false)
		return nil, errors.Is(err, http2.ErrRefused), err
	}
	return x.overHTTP2(ctx, c)
}

// keptHTTP2 returns a kept HTTP/2 connection to the server, nil if there is none.
func (x *exchange) keptHTTP2() *http2.Conn {
	if !x.key.Secure || x.client.onlyHTTP1.has(x.key.Host) {
		return nil // HTTP/2 is agreed on in TLS
	}
	return x.client.http2.Take(x.key.Host)
}

// overHTTP1 sends the request on an HTTP/1.1 connection.
func (x *exchange) overHTTP1(ctx context.Context, c *http1.Conn) (*http.Response, bool, error) {
	x.watch.got(c.Stream().(*stream), c.Reused()) //nolint:forcetypeassert // as NewConn was given
	reused := c.Reused()
	resp, err := c.RoundTrip(ctx, x.deadline, http1.Request{
		Method: x.request.Method, Target: x.request.Normal.RequestURI(), Host: x.request.Normal.Host,
		Fields: x.request.Fields, Body: x.request.Body,
	})
	x.watch.firstByte = c.Started()
	if !errors.Is(err, http1.ErrNotIdle) {
		x.watch.sent++
	}
	switch {
	case err == nil:
		return resp, false, nil
	case ctx.Err() != nil:
		return nil, false, fmt.Errorf("%w: %w", context.Cause(ctx), err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, false, fmt.Errorf("%w: %w", errDeadline, err)
	default:
		return nil, reused && c.Started().IsZero(), err
	}
}

// overHTTP2 sends the request on an HTTP/2 connection.
func (x *exchange) overHTTP2(ctx context.Context, c *http2.Conn) (*http.Response, bool, error) {
	limited, stop := context.WithDeadlineCause(ctx, x.deadline, errDeadline)
	x.watch.got(c.Stream().(*stream), c.Reused()) //nolint:forcetypeassert // as Add was given
	resp, seen, err := c.RoundTrip(httpRequest(limited, x.request))
	x.watch.firstByte = seen.Started
	if seen.Sent {
		x.watch.sent++
	}
	if err == nil {
		resp.Body = limitedBody{resp.Body, stop}
		return resp, false, nil
	}
	stop()
	if errors.Is(err, http2.ErrNeedsHTTP1) {
		x.client.onlyHTTP1.add(x.key.Host)
		return nil, true, err
	}
	unsent := seen.Reused && !seen.Sent // the answer to another request may have ended the connection
	again := unsent || errors.Is(err, http2.ErrRefused) || lost(err) && (seen.Reused || !seen.Sent)
	return nil, again && seen.Started.IsZero(), err
}

// lost reports whether an HTTP/2 connection ended without a word about the request.
// A stream that the server ended, or an answer that cannot be read, is one.
func lost(err error) bool {
	return !errors.Is(err, http2.ErrStreamEnded) && !errors.Is(err, http2.ErrMalformed)
}

// complete adds the fields that every request has, unless they are there: its
// User-Agent, and an Accept, without which some firewalls refuse a request.
func (c *Client) complete(fields delivery.Fields) delivery.Fields {
	if !fields.Has("Accept") {
		fields = append(fields, delivery.Field{Name: "Accept", Value: "*/*"})
	}
	if !fields.Has("User-Agent") {
		fields = append(fields, delivery.Field{Name: "User-Agent", Value: c.userAgent})
	}
	return fields
}

// valid returns an error for a request that would not be one on the wire.
func valid(r Request) error {
	if !httpguts.ValidHeaderFieldName(r.Method) { // both are tokens
		return fmt.Errorf("%q is no method", r.Method)
	}
	if uri := r.Normal.RequestURI(); strings.ContainsFunc(uri, func(c rune) bool { return c <= ' ' || c == 0x7f }) {
		return fmt.Errorf("%q cannot be requested", uri)
	}
	if !httpguts.ValidHostHeader(r.Normal.Host) {
		return fmt.Errorf("%q is no host", r.Normal.Host)
	}
	for _, f := range r.Fields {
		if !httpguts.ValidHeaderFieldName(f.Name) || framing(f.Name) {
			return fmt.Errorf("%q is no header's name, or one that the connection sets", f.Name)
		}
		if !httpguts.ValidHeaderFieldValue(f.Value) {
			return fmt.Errorf("the value of header %s cannot be sent", f.Name) // it may be a secret
		}
	}
	return nil
}

// framing reports whether a header says where a request ends, or goes to.
func framing(name string) bool {
	for _, own := range [...]string{"Host", "Connection", "Content-Length", "Transfer-Encoding", "Trailer"} {
		if len(name) == len(own) && strings.EqualFold(name, own) {
			return true
		}
	}
	return false
}

// httpRequest returns a request in the form of net/http, made without parsing
// anything again.
func httpRequest(ctx context.Context, r Request) *http.Request {
	req := &http.Request{
		Method: r.Method, URL: r.Normal, Header: r.Fields.Header(),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if len(r.Body) > 0 {
		req.ContentLength = int64(len(r.Body))
		req.Body = io.NopCloser(bytes.NewReader(r.Body))
	}
	return req.WithContext(ctx)
}

// limitedBody is the body of an answer that may be read until a deadline.
type limitedBody struct {
	io.ReadCloser
	stop func()
}

// Close implements io.Closer.
func (b limitedBody) Close() error {
	defer b.stop()
	return b.ReadCloser.Close() //nolint:wrapcheck // it is the body's
}
