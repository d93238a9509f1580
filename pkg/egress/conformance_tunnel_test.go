package egress_test

import (
	"bufio"
	"crypto/tls"
	"net/http"
	"testing"

	"github.com/dialnote/webhooks/pkg/delivery"
)

// What an outbound proxy sends beyond its answer to CONNECT is no answer to a
// request, and no part of the receiver's handshake.
func TestTunnelsWithSomethingInThem(t *testing.T) {
	t.Parallel()
	const (
		opened  = "HTTP/1.1 200 Connection established\r\n\r\n"
		foreign = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nforeign"
	)
	for name, tt := range map[string]struct {
		answer step
		proxy  *tls.Config
		secure bool // the receiver
		reason delivery.Reason
	}{
		"an answer":                             {answer: say(opened + foreign), reason: delivery.ReasonInternal},
		"an answer in a record":                 {answer: say(opened + foreign), proxy: receiverTLS("http/1.1"), reason: delivery.ReasonInternal},
		"an answer in a record of its own":      {answer: together(opened, foreign), proxy: receiverTLS("http/1.1"), reason: delivery.ReasonProtocol},
		"half an answer in a record of its own": {answer: together(opened, "HTT"), proxy: receiverTLS("http/1.1"), reason: delivery.ReasonProtocol},
		"an answer in the place of TLS":         {answer: say(opened + foreign), secure: true, reason: delivery.ReasonInternal},
		"a record in the place of TLS":          {answer: together(opened, foreign), proxy: receiverTLS("http/1.1"), secure: true, reason: delivery.ReasonTLS},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newReceiver(t, tt.proxy, func(c *connection) {
				in := bufio.NewReader(c)
				if r, err := http.ReadRequest(in); err != nil || r.Method != http.MethodConnect || tt.answer(c) != nil {
					return
				}
				if r, err := http.ReadRequest(in); err == nil {
					t.Errorf("the proxy got a request for %s in the tunnel", r.URL)
				}
			})
			proxy, target := "http://", "http://127.0.0.1:8080/hook"
			if tt.proxy != nil {
				proxy = "https://"
			}
			if tt.secure {
				target = "https://127.0.0.1:8443/hook"
			}
			c := newClient(t, patience, proxy+p.listener.Addr().String())
			for range 2 {
				out := c.Send(t.Context(), requestTo(target, "acme"))
				recorded{reason: tt.reason}.check(t, "the request", out)
			}
		})
	}
}
