package egress

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/dialnote/webhooks/pkg/delivery"
)

// roundTrip sends a request and returns the head of its answer, by a wire or by
// the transport. A request that a kept connection did not answer at all is sent
// again on another one: receivers close idle connections at any time.
func (c *Client) roundTrip(ctx context.Context, r Request, w *watch) (*http.Response, error) {
	r.Fields = c.named(r.Fields)
	if err := valid(r); err != nil {
		return nil, err
	}
	deadline, to := w.start.Add(c.timeout), serverOf(r.Normal)
	if len(r.Body) > wireBody || c.wires.speaksHTTP2(to) {
		return c.byTransport(ctx, deadline, r, w, to)
	}
	for {
		x, err := c.wires.get(ctx, deadline, to)
		switch {
		case err != nil:
			return nil, err
		case x == nil:
			return c.byTransport(ctx, deadline, r, w, to)
		}
		w.got(x.made, x.used)
		resp, err := x.exchange(ctx, deadline, r, w)
		if err == nil || !x.used || w.firstByte.Load() != 0 || ctx.Err() != nil || errors.Is(err, errDeadline) {
			return resp, err
		}
	}
}

// named adds the User-Agent unless there is one.
func (c *Client) named(fields delivery.Fields) delivery.Fields {
	for _, f := range fields {
		if strings.EqualFold(f.Name, "User-Agent") {
			return fields
		}
	}
	return append(fields, delivery.Field{Name: "User-Agent", Value: c.userAgent})
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

// byTransport sends a request by net/http's transport.
func (c *Client) byTransport(ctx context.Context, deadline time.Time, r Request, w *watch, to server) (*http.Response, error) {
	limited, stop := context.WithDeadlineCause(ctx, deadline, errDeadline)
	resp, err := c.transport.RoundTrip(httpRequest(w.follow(limited), r))
	if resp != nil && resp.ProtoMajor == 1 {
		c.wires.unlearn(to)
	}
	if unused := c.wires.takeFresh(to.address()); unused != nil { // the transport had one already
		_ = unused.Close()
	}
	if err != nil {
		stop()
		return nil, err //nolint:wrapcheck // the transport's own error is judged by its type
	}
	resp.Body = limitedBody{resp.Body, stop}
	return resp, nil
}

// httpRequest returns a request in the form of net/http, made without parsing
// anything again.
func httpRequest(ctx context.Context, r Request) *http.Request {
	req := &http.Request{
		Method: r.Method, URL: r.Normal, Header: r.Fields.Header(),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	// An empty key is not sent; it tells net/http that the request may be
	// repeated when a kept connection was closed under it.
	req.Header["X-Idempotency-Key"] = nil
	if len(r.Body) > 0 {
		req.ContentLength = int64(len(r.Body))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(r.Body)), nil }
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
