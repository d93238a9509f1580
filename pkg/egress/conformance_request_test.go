package egress_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"github.com/dialnote/webhooks/pkg/delivery"
)

// A request goes out with its headers in their order and case, an Accept and a
// User-Agent unless it has its own, and nothing else.
func TestRequestHeads(t *testing.T) {
	t.Parallel()
	for _, w := range everyWay {
		t.Run(w.String(), func(t *testing.T) {
			t.Parallel()
			s := newSetting(t, w, patience, tlsFor(w, "http/1.1"), http1{steps: []step{own(badPath)}}.serve)
			for range 2 { // over a fresh connection, and over a kept one
				answered(200, badPath).check(t, "the request", s.client.Send(t.Context(), s.request(badPath, "acme")))
			}
			their := s.request(badPath, "acme")
			their.Fields = append(their.Fields, delivery.Field{Name: "accept", Value: "text/plain"}, delivery.Field{Name: "USER-AGENT", Value: "theirs"})
			answered(200, badPath).check(t, "the request", s.client.Send(t.Context(), their))
			arrived := s.of(badPath)
			if len(arrived) != 3 {
				t.Fatalf("3 requests arrived %d times", len(arrived))
			}

			const common = "Content-Type: application/json\r\nX-DialNote-Signature: sha256=acme\r\nwebhook-id: evt_acme\r\n"
			line := "POST /bad HTTP/1.1\r\nHost: " + s.listener.Addr().String() + "\r\n"
			length := fmt.Sprintf("Content-Length: %d\r\n\r\n", len(their.Body))
			added := line + common + "Accept: */*\r\nUser-Agent: DialNote-Webhooks/test\r\n" + length
			for i, want := range []string{added, added, line + common + "accept: text/plain\r\nUSER-AGENT: theirs\r\n" + length} {
				if got := arrived[i]; got.head != want || got.body != string(their.Body) {
					t.Errorf("request %d arrived as\n%s%s\nwant\n%s", i+1, got.head, got.body, want)
				}
			}
		})
	}
}

func TestRequestHeadsOverHTTP2(t *testing.T) {
	t.Parallel()
	for _, w := range secureWays {
		t.Run(w.String(), func(t *testing.T) {
			t.Parallel()
			s := newSetting(t, w, patience, receiverTLS("h2"), http2Receiver{answer: func(x *stream) { x.own() }}.serve)
			request := s.request(badPath, "acme")
			answered(200, badPath).check(t, "the request", s.client.Send(t.Context(), request))
			want := []string{
				":authority: " + s.listener.Addr().String(), ":method: POST", ":path: /bad", ":scheme: https", "accept: */*",
				fmt.Sprintf("content-length: %d", len(request.Body)), "content-type: application/json",
				"user-agent: DialNote-Webhooks/test", "webhook-id: evt_acme", "x-dialnote-signature: sha256=acme",
			}
			all := s.of(badPath)
			if len(all) != 1 {
				t.Fatalf("the request arrived %d times", len(all))
			}
			arrived := all[0]
			got := strings.Split(strings.TrimSpace(arrived.head), "\n")
			if slices.Sort(got); !slices.Equal(got, want) || arrived.body != string(request.Body) {
				t.Errorf("arrived as\n%q\n%s\nwant\n%q", got, arrived.body, want)
			}
		})
	}
}

// Connections are kept for one organization, tunnels with them; those that speak
// HTTP/2 for all.
func TestConnectionsOfOrganizations(t *testing.T) {
	t.Parallel()
	for _, w := range everyWay {
		for spoken, want := range map[string]int{"http/1.1": 2, "h2": 1} {
			if spoken == "h2" && !w.secure {
				continue
			}
			t.Run(w.String()+" "+spoken, func(t *testing.T) {
				t.Parallel()
				s := newSetting(t, w, patience, tlsFor(w, spoken), func(c *connection) {
					if spoken == "h2" {
						http2Receiver{}.serve(c)
						return
					}
					http1{}.serve(c)
				})
				for range 3 {
					s.ask("acme")
					s.ask("other")
				}
				if n := s.connections(); n != want {
					t.Errorf("%d connections for two organizations, want %d", n, want)
				}
				if s.proxy != nil && s.proxy.tunnels() != want {
					t.Errorf("%d tunnels for two organizations, want %d", s.proxy.tunnels(), want)
				}
			})
		}
	}
}

// A receiver may answer before it has read the request, as one that refuses long
// ones does, and read the rest or not.
func TestEarlyAnswers(t *testing.T) {
	t.Parallel()
	const (
		refusal = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno"
		ends    = "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno"
	)
	var rows []row
	for size, ways := range map[int][]way{100: everyWay, 32 << 10: withoutMore, 40 << 10: withoutMore, 1 << 20: everyWay, 8 << 20: withoutMore} {
		rows = append(
			rows,
			row{name: fmt.Sprint(size, " bytes, the end, the rest read"), body: size, ways: ways, http1: []step{say(ends), farewell, silence}, want: answered(413, "no")},
			row{name: fmt.Sprint(size, " bytes, the rest read"), body: size, ways: withoutMore, http1: []step{say(refusal)}, want: answered(413, "no"), next: either},
		)
	}
	for i := range rows {
		rows[i].early = true
	}
	over := over2("HTTP/2", answered(413, ""), either, func(x *stream) {
		x.headers(true, ":status", "413")
		x.reset(http2.ErrCodeNo)
	})
	over.early, over.body, over.ways = true, 1<<20, secureWays
	unread := over2("HTTP/2, the body is never taken", answered(413, ""), either, func(x *stream) { x.headers(true, ":status", "413") })
	unread.early, unread.body, unread.ways = true, 1<<20, secureWays
	conform(t, append(rows, over, unread))
}

// A receiver that answers and reads nothing more is heard, although the request
// cannot be written to its end.
func TestEarlyAnswersOfTheDeaf(t *testing.T) {
	t.Parallel()
	for _, w := range everyWay {
		t.Run(w.String(), func(t *testing.T) {
			t.Parallel()
			s := newSetting(t, w, patience, tlsFor(w, "http/1.1"), http1{early: true, steps: []step{
				say("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n"), deaf,
			}}.serve)
			request := s.request(badPath, "acme")
			request.Body = make([]byte, 8<<20)
			answered(413, "").check(t, "the request", s.client.Send(t.Context(), request))
		})
	}
}

// A receiver that closes a connection with a part of the request unread resets it,
// and what it answered may be lost. The request is then sent once more over a
// kept connection, not without end.
func TestEarlyAnswersThatMayBeLost(t *testing.T) {
	t.Parallel()
	for _, w := range everyWay {
		t.Run(w.String(), func(t *testing.T) {
			t.Parallel()
			s := newSetting(t, w, patience, tlsFor(w, "http/1.1"), http1{early: true, steps: []step{
				say("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"), hangUp,
			}}.serve)
			s.ask("acme")
			request := s.request(badPath, "acme")
			request.Body = make([]byte, 1<<20)
			if out := s.client.Send(t.Context(), request); !brokeOff.fits(out) && !answered(413, "").fits(out) {
				answered(413, "").check(t, "the request", out)
			}
			if n := len(s.of(badPath)); n > 2 {
				t.Errorf("the request arrived %d times", n)
			}
			s.ask("acme")
		})
	}
}
