package egress_test

import (
	"sync"
	"testing"

	"golang.org/x/net/http2"
)

// A request is sent once more only when the connection that died was a kept one
// and not a byte of an answer had come; the second time over a connection made
// for it, and never a third time.
func TestCopies(t *testing.T) {
	t.Parallel()
	conform(t, []row{
		{name: "the receiver hangs up", ways: everyWay, http1: []step{hangUp}, want: brokeOff, copiesKept: 2},
		{name: "the receiver resets", ways: everyWay, http1: []step{reset}, want: brokeOff, copiesKept: 2},
		{name: "the receiver ends TCP alone", ways: secureWays, http1: []step{cutOff}, want: brokeOff, copiesKept: 2},
		{name: "the receiver ends TLS alone", ways: secureWays, http1: []step{closeNotify}, want: brokeOff, copiesKept: 2},
		{name: "a byte came", ways: everyWay, http1: []step{say("H"), hangUp}, want: brokeOff},
		{name: "an interim answer came", ways: everyWay, http1: []step{say("HTTP/1.1 100 Continue\r\n\r\n"), hangUp}, want: brokeOff},
		{name: "a head came", ways: everyWay, http1: []step{say("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 5\r\n\r\n"), hangUp}, want: cut(500, "")},
		{name: "no HTTP came", ways: everyWay, http1: []step{say("220 ready\r\n"), hangUp}, want: invalid},
	})
}

// However many kept connections there are, one request that a receiver hangs up
// on is sent twice.
func TestCopiesOverManyKeptConnections(t *testing.T) {
	t.Parallel()
	const kept = 30
	for _, w := range everyWay {
		for _, spoken := range []string{"http/1.1", "h2"} {
			if spoken == "h2" && !w.secure {
				continue
			}
			t.Run(w.String()+" "+spoken, func(t *testing.T) {
				t.Parallel()
				var here sync.WaitGroup
				here.Add(kept)
				gather := func() {
					here.Done()
					here.Wait()
				}
				s := newSetting(t, w, patience, tlsFor(w, spoken), func(c *connection) {
					if spoken == "h2" {
						one := []http2.Setting{{ID: http2.SettingMaxConcurrentStreams, Val: 1}} // a connection for each
						http2Receiver{settings: one, answer: func(x *stream) { _ = x.Close() }, gather: gather}.serve(c)
						return
					}
					http1{steps: []step{hangUp}, gather: gather}.serve(c)
				})
				var all sync.WaitGroup
				for range kept {
					all.Go(func() {
						answered(200, gatherPath).check(t, "a request among others", s.client.Send(t.Context(), s.request(gatherPath, "acme")))
					})
				}
				all.Wait()
				if n := s.connections(); n != kept && spoken != "h2" { // some requests shared one before its SETTINGS came
					t.Fatalf("%d connections, want %d", n, kept)
				}
				brokeOff.check(t, "the request", s.client.Send(t.Context(), s.request(badPath, "acme")))
				if n := len(s.of(badPath)); n != 2 {
					t.Errorf("the request arrived %d times, want 2", n)
				}
				s.ask("acme")
				s.ask("other")
			})
		}
	}
}
