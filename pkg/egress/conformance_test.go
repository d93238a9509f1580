package egress_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
)

// row is what a receiver does with one request, and what must come of it. It is
// tried in each of its ways, over a fresh connection and a kept one. The next
// requests must get their own answers, those of another organization too.
type row struct {
	name string
	ways []way

	// One of these answers the request.
	http1 []step
	http2 *http2Receiver
	early bool // HTTP/1.1: before the body was read

	method  string        // POST when empty
	body    int           // bytes of the request's body; a few when 0
	timeout time.Duration // the attempt's deadline, when that is what the row is about

	// later has the next request wait until all that the receiver sent has
	// arrived. Without it the next request follows at once.
	later bool

	want recorded
	or   *recorded // what may be recorded as well, when TCP decides

	copies     int // how often the request arrives; once when 0
	copiesKept int // over a kept connection; copies when 0
	next       nextConnection
	bytes      int64 // how many bytes the receiver may send at most; any number when 0
}

// nextConnection says which connection the next request may use.
type nextConnection int

const (
	another nextConnection = iota // not that of the answer
	same                          // that of the answer
	either
)

// recorded is what must be recorded of an attempt.
type recorded struct {
	status    int // 0 when no answer counts; -1 for 0 and whatever the receiver said
	reason    delivery.Reason
	message   string // what it must contain
	body      string // "*" for any
	truncated bool
}

// answered is an answer that is complete. A status that is no success has the
// reason that depends on it.
func answered(status int, body string) recorded {
	want := recorded{status: status, body: body, message: fmt.Sprintf("Server answered %d", status)}
	switch {
	case status >= 200 && status <= 299:
		want.message = ""
	case status >= 300 && status <= 399:
		want.reason = delivery.ReasonRedirect
	case status >= 400 && status <= 499:
		want.reason = delivery.ReasonClientError
	default:
		want.reason = delivery.ReasonServerError
	}
	return want
}

// cut is an answer of which the end is missing or not kept.
func cut(status int, body string) recorded {
	want := answered(status, body)
	want.truncated = true
	return want
}

// Failures without an answer.
var (
	invalid  = recorded{reason: delivery.ReasonProtocol, message: "not valid HTTP"}
	brokeOff = recorded{reason: delivery.ReasonReset, message: "closed the connection without a complete answer"}
	timedOut = recorded{reason: delivery.ReasonTimeout, message: "No answer within"}
)

func (r recorded) check(tb testing.TB, what string, out delivery.Outcome) {
	tb.Helper()
	if !r.fits(out) {
		tb.Errorf("%s: %s %q %q, status %d, body %q, cut %t (%v)\nwant %s", what,
			out.Result, out.Reason, out.Message, out.StatusCode, abbreviated(string(out.Response.Body)), out.Response.Truncated, out.Cause, r)
	}
}

func (r recorded) fits(out delivery.Outcome) bool {
	result := delivery.Succeeded
	if r.reason != "" {
		result = delivery.Failed
	}
	legal := out.StatusCode == 0 || out.StatusCode >= 100 && out.StatusCode <= 599
	return legal && out.Result == result && out.Reason == r.reason && strings.Contains(out.Message, r.message) &&
		(r.status == -1 || out.StatusCode == r.status) &&
		(r.body == "*" || string(out.Response.Body) == r.body && out.Response.Truncated == r.truncated)
}

// String implements fmt.Stringer.
func (r recorded) String() string {
	return fmt.Sprintf("%q %q, status %d, body %q, cut %t", r.reason, r.message, r.status, abbreviated(r.body), r.truncated)
}

func abbreviated(text string) string {
	if len(text) > 100 {
		return text[:100] + "…"
	}
	return text
}

// conform tries rows.
func conform(t *testing.T, rows []row) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			for _, w := range r.ways {
				r.try(t, t.FailNow, w, false)
				r.try(t, t.FailNow, w, true)
			}
		})
	}
}

// conformTogether tries rows side by side, for those that only wait for a
// deadline.
func conformTogether(t *testing.T, rows []row) {
	t.Helper()
	var all sync.WaitGroup
	for _, r := range rows {
		for _, w := range r.ways {
			all.Go(func() { r.try(t, runtime.Goexit, w, false) })
			all.Go(func() { r.try(t, runtime.Goexit, w, true) })
		}
	}
	all.Wait()
}

// named has a testing.TB say in which setting something failed.
type named struct {
	testing.TB

	name string
	end  func() // ends what cannot go on, which need not be the test
}

func (n named) Errorf(format string, args ...any) {
	n.Helper()
	n.TB.Errorf(n.name+": "+format, args...)
}

func (n named) Fatalf(format string, args ...any) {
	n.Helper()
	n.Errorf(format, args...)
	n.end()
}

func (r row) try(t *testing.T, end func(), w way, kept bool) {
	t.Helper()
	tb := named{t, r.name + ", " + w.String() + ", fresh", end}
	if kept {
		tb.name = r.name + ", " + w.String() + ", kept"
	}
	over := make(chan struct{}, 100)
	s := r.setting(tb, w, func() { over <- struct{}{} })
	if kept {
		s.ask("acme")
	}
	request := s.request(badPath, "acme")
	if r.method != "" {
		request.Method = r.method
	}
	if r.body != 0 {
		request.Body = []byte(strings.Repeat("x", r.body))
	}
	out := s.client.Send(t.Context(), request)
	if r.or == nil || !r.or.fits(out) {
		r.want.check(tb, "the request", out)
	}
	if r.later {
		<-over
		s.settle()
	}
	next := s.ask("acme")
	other := s.ask("other")
	r.checkArrivals(tb, s, kept, out.SentTwice)
	r.checkConnections(tb, s, next, other)
	if sent := s.sent.Load(); r.bytes != 0 && sent > r.bytes {
		tb.Errorf("the receiver could send %d bytes, want at most %d", sent, r.bytes)
	}
}

// setting starts the row's receiver.
func (r row) setting(tb testing.TB, w way, done func()) *setting {
	tb.Helper()
	timeout := patience
	if r.timeout != 0 {
		timeout = r.timeout
	}
	http1 := http1{steps: r.http1, early: r.early, done: done}
	if r.http2 == nil {
		return newSetting(tb, w, timeout, tlsFor(w, "http/1.1"), http1.serve)
	}
	return newSetting(tb, w, timeout, receiverTLS("h2", "http/1.1"), func(c *connection) {
		if c.protocol() == "h2" {
			answers := *r.http2
			answers.done, answers.early = done, r.early
			answers.serve(c)
			return
		}
		http1.serve(c)
	})
}

// checkArrivals checks how often the request arrived, and what of it.
func (r row) checkArrivals(tb testing.TB, s *setting, kept, twice bool) {
	tb.Helper()
	copies := max(r.copies, 1)
	if kept && r.copiesKept != 0 {
		copies = r.copiesKept
	}
	arrived := s.of(badPath)
	if slow := r.timeout != 0; len(arrived) > copies || len(arrived) < copies && !slow {
		tb.Errorf("the request arrived %d times, want %d", len(arrived), copies)
	}
	if twice != (copies == 2) {
		tb.Errorf("it arrived %d times, and is recorded as sent twice: %t", copies, twice)
	}
	for _, a := range arrived {
		if a.protocol != "HTTP/1.1" || r.early {
			continue
		}
		want := s.request(badPath, "acme")
		if r.body == 0 && a.body != string(want.Body) || r.body != 0 && len(a.body) != r.body {
			tb.Errorf("the body arrived as %q", abbreviated(a.body))
		}
	}
}

// checkConnections checks which connections the next requests used.
func (r row) checkConnections(tb testing.TB, s *setting, next, other string) {
	tb.Helper()
	arrived := s.of(badPath)
	if len(arrived) == 0 {
		return
	}
	last := arrived[len(arrived)-1]
	switch reused := s.share(next, badPath); {
	case r.next == another && reused:
		tb.Errorf("the connection was used again")
	case r.next == same && !reused:
		tb.Errorf("the connection was not used again")
	}
	if last.protocol == "HTTP/1.1" && (s.share(other, next) || s.share(other, badPath)) {
		tb.Errorf("two organizations shared an HTTP/1.1 connection")
	}
}
