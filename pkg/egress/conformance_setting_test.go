package egress_test

import (
	"crypto/tls"
	"fmt"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/egress"
	"github.com/dialnote/webhooks/pkg/endpoint"
)

// A receiver gives each request its own path for an answer, but for these.
const (
	badPath    = "/bad"    // answered as a test says
	gatherPath = "/gather" // answered when all that are expected have come
)

// way is how requests reach a receiver.
type way struct {
	secure bool   // by TLS
	proxy  string // scheme of the outbound proxy, "" for none
}

func (w way) String() string {
	name := "clear"
	if w.secure {
		name = "TLS"
	}
	if w.proxy != "" {
		name += " through an " + w.proxy + " proxy"
	}
	return name
}

var (
	clearWays   = []way{{}, {proxy: "http"}, {proxy: "https"}}
	secureWays  = []way{{secure: true}, {secure: true, proxy: "http"}, {secure: true, proxy: "https"}}
	everyWay    = append(append([]way{}, clearWays...), secureWays...)
	withoutMore = []way{{}, {secure: true}}
)

// setting is a receiver, and a client that reaches it in some way.
type setting struct {
	*receiver

	tb      testing.TB
	way     way
	proxy   *connectProxy // nil for none
	client  *egress.Client
	asked   int           // requests that the receiver gives their own answers to
	timeout time.Duration // short when the deadline is what a row is about
}

// newSetting starts a receiver whose connections serve serves, after the
// handshake if there is one. secure is nil for one that is spoken to in clear.
func newSetting(tb testing.TB, w way, timeout time.Duration, secure *tls.Config, serve func(*connection)) *setting {
	tb.Helper()
	s := &setting{tb: tb, way: w, timeout: timeout, receiver: newReceiver(tb, secure, serve)}
	switch w.proxy {
	case "http":
		s.proxy = newConnectProxy(tb, nil)
	case "https":
		s.proxy = newConnectProxy(tb, receiverTLS("http/1.1"))
	}
	proxy := ""
	if s.proxy != nil {
		proxy = s.proxy.url()
	}
	s.client = newClient(tb, timeout, proxy)
	return s
}

// newClient returns a client that trusts the tests' receivers. proxy is the URL of
// an outbound proxy, "" for none.
func newClient(tb testing.TB, timeout time.Duration, proxy string) *egress.Client {
	tb.Helper()
	c, err := egress.New(egress.Config{
		Timeout: timeout, UserAgent: "DialNote-Webhooks/test", RootCAs: testAuthority().pool, Proxy: proxy,
		Policy: endpoint.Policy{AllowHTTP: true, AllowPrivate: true},
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	return c
}

// request returns a request for a path of the receiver.
func (s *setting) request(path, organization string) egress.Request {
	scheme := "http://"
	if s.way.secure {
		scheme = "https://"
	}
	return requestTo(scheme+s.listener.Addr().String()+path, organization)
}

func requestTo(url, organization string) egress.Request {
	return egress.Request{
		Method: "POST", URL: url, Organization: organization,
		Fields: delivery.Fields{
			{Name: "Content-Type", Value: "application/json"},
			{Name: "X-DialNote-Signature", Value: "sha256=" + organization},
			{Name: "webhook-id", Value: "evt_" + organization},
		},
		Body: []byte(`{"organization":"` + organization + `"}`),
	}
}

// ask sends a request that the receiver gives its own answer to, and checks that
// it got that one. It returns the path. When the client has a short deadline,
// an attempt that is too slow for it says nothing, and another one is made.
func (s *setting) ask(organization string) string {
	s.tb.Helper()
	for deadline := time.Now().Add(patience); ; {
		s.asked++
		path := fmt.Sprintf("/own/%s/%d", organization, s.asked)
		out := s.client.Send(s.tb.Context(), s.request(path, organization))
		if out.Reason == delivery.ReasonTimeout && s.timeout < patience && time.Now().Before(deadline) {
			continue
		}
		answered(200, path).check(s.tb, "the request for "+path, out)
		return path
	}
}

// settle waits until all that the receiver sent is in the client's kernel.
func (s *setting) settle() {
	s.tb.Helper()
	await(s.tb, "what the receiver sent arrives", func() bool {
		return s.arrived() && (s.proxy == nil || s.proxy.arrived(s.sent.Load()))
	})
}

// receiverTLS returns the configuration of a TLS server that has a certificate
// of the tests' authority and offers protocols.
func receiverTLS(protocols ...string) *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{testAuthority().certificate}, NextProtos: protocols,
		CurvePreferences: []tls.CurveID{tls.X25519}, // the cheapest one: tests make many handshakes
	}
}

// tlsFor returns the configuration of a receiver that is reached in some way, nil
// for one that is spoken to in clear.
func tlsFor(w way, protocols ...string) *tls.Config {
	if !w.secure {
		return nil
	}
	return receiverTLS(protocols...)
}
