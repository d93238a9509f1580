package egress_test

import (
	"testing"

	"golang.org/x/net/http2"

	"github.com/dialnote/webhooks/pkg/delivery"
)

// What is recorded when a receiver takes no request.
var (
	refusedAlways = recorded{reason: delivery.ReasonProtocol, message: "refused the request on each HTTP/2 connection"}
	tooMuch       = recorded{reason: delivery.ReasonProtocol, message: "sent data without end"}
)

// mostTries is how many connections and streams one attempt may use.
const mostTries = 4

// A receiver that refuses each stream or connection is asked again a few times,
// and not for as long as the attempt may take.
func TestHTTP2Refusals(t *testing.T) {
	t.Parallel()
	for name, receiver := range map[string]http2Receiver{
		"GOAWAY before the request":      {greet: func(c *http2Connection) { c.goAway(0, http2.ErrCodeNo) }},
		"GOAWAY in place of an answer":   {answer: func(x *stream) { x.goAway(0, http2.ErrCodeNo) }},
		"GOAWAY, and the end":            {answer: func(x *stream) { x.goAway(0, http2.ErrCodeNo); _ = x.Close() }},
		"GOAWAY because of the load":     {answer: func(x *stream) { x.goAway(0, http2.ErrCodeEnhanceYourCalm) }},
		"REFUSED_STREAM":                 {answer: func(x *stream) { x.reset(http2.ErrCodeRefusedStream) }},
		"REFUSED_STREAM before the body": {early: true, answer: func(x *stream) { x.reset(http2.ErrCodeRefusedStream) }},
		"REFUSED_STREAM, then GOAWAY":    {answer: func(x *stream) { x.reset(http2.ErrCodeRefusedStream); x.goAway(0, http2.ErrCodeNo) }},
	} {
		for _, w := range secureWays {
			t.Run(name+" "+w.String(), func(t *testing.T) {
				t.Parallel()
				s := newSetting(t, w, patience, receiverTLS("h2", "http/1.1"), receiver.serve)
				refusedAlways.check(t, "the request", s.client.Send(t.Context(), s.request(badPath, "acme")))
				if n := len(s.of(badPath)); n > mostTries {
					t.Errorf("the request arrived %d times, want at most %d", n, mostTries)
				}
				if n := s.connections(); n > mostTries {
					t.Errorf("%d connections were made, want at most %d", n, mostTries)
				}
			})
		}
	}
}

// A receiver that ends each connection before it can be used is not met without
// end either.
func TestHTTP2Ends(t *testing.T) {
	t.Parallel()
	for name, receiver := range map[string]http2Receiver{
		"after SETTINGS": {greet: func(c *http2Connection) { _ = c.Close() }},
		"without a word": {silent: true, greet: func(c *http2Connection) { _ = c.Close() }},
		"by a reset":     {silent: true, greet: func(c *http2Connection) { _ = reset(c.connection) }},
	} {
		for _, w := range secureWays {
			t.Run(name+" "+w.String(), func(t *testing.T) {
				t.Parallel()
				s := newSetting(t, w, patience, receiverTLS("h2"), receiver.serve)
				for i := range 3 {
					brokeOff.check(t, "the request", s.client.Send(t.Context(), s.request(badPath, "acme")))
					if n := s.connections(); n > (i+1)*mostTries {
						t.Errorf("%d connections were made for %d requests", n, i+1)
					}
				}
			})
		}
	}
}

// What was refused, and so not processed, is sent again and delivered.
func TestHTTP2RefusedOnce(t *testing.T) {
	t.Parallel()
	for name, refuse := range map[string]func(*stream){
		"GOAWAY":                       func(x *stream) { x.goAway(0, http2.ErrCodeNo) },
		"GOAWAY of the streams before": func(x *stream) { x.goAway(x.id-2, http2.ErrCodeNo) },
		"REFUSED_STREAM":               func(x *stream) { x.reset(http2.ErrCodeRefusedStream) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refused := make(chan struct{}, 1)
			receiver := http2Receiver{answer: func(x *stream) {
				select {
				case refused <- struct{}{}:
					refuse(x)
				default:
					x.own()
				}
			}}
			s := newSetting(t, secureWays[0], patience, receiverTLS("h2", "http/1.1"), receiver.serve)
			s.ask("acme")
			answered(200, badPath).check(t, "the request", s.client.Send(t.Context(), s.request(badPath, "acme")))
			if n := len(s.of(badPath)); n != 2 {
				t.Errorf("the request arrived %d times, want 2", n)
			}
			s.ask("other")
		})
	}
}

// A server that asks for HTTP/1.1 gets it (RFC 9113, section 7), at once and from
// then on.
func TestHTTP11Required(t *testing.T) {
	t.Parallel()
	for name, ask := range map[string]func(*stream){
		"of a stream":     func(x *stream) { x.reset(http2.ErrCodeHTTP11Required) },
		"of a connection": func(x *stream) { x.goAway(0, http2.ErrCodeHTTP11Required) },
	} {
		for _, w := range secureWays {
			t.Run(name+" "+w.String(), func(t *testing.T) {
				t.Parallel()
				receiver := http2Receiver{answer: ask}
				s := newSetting(t, w, patience, receiverTLS("h2", "http/1.1"), func(c *connection) {
					if c.protocol() == "h2" {
						receiver.serve(c)
						return
					}
					http1{steps: []step{own(badPath)}}.serve(c)
				})
				for i := range 3 {
					answered(200, badPath).check(t, "the request", s.client.Send(t.Context(), s.request(badPath, "acme")))
					arrived := s.of(badPath)
					if len(arrived) != i+2 {
						t.Fatalf("%d requests arrived %d times", i+1, len(arrived))
					}
					if last := arrived[len(arrived)-1]; last.protocol != "HTTP/1.1" {
						t.Errorf("it arrived by %s", last.protocol)
					}
				}
				if n := s.connections(); n > 3 { // the second may find out that ALPN is to be left out
					t.Errorf("%d connections were made", n)
				}
			})
		}
	}
}

// A server that goes on with HTTP/2 after it asked for HTTP/1.1 is not asked
// without end.
func TestHTTP11RequiredAndNotSpoken(t *testing.T) {
	t.Parallel()
	receiver := http2Receiver{answer: func(x *stream) { x.reset(http2.ErrCodeHTTP11Required) }}
	s := newSetting(t, secureWays[0], patience, receiverTLS("h2"), receiver.serve)
	for range 2 {
		out := s.client.Send(t.Context(), s.request(badPath, "acme"))
		if out.Result != delivery.Failed || out.StatusCode != 0 {
			t.Errorf("recorded %+v", out)
		}
	}
	if n := s.connections(); n > 2*mostTries {
		t.Errorf("%d connections were made", n)
	}
}
