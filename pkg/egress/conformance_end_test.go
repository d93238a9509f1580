package egress_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// ending is an answer, and what counts of it when it ends early.
type ending struct {
	name, text string
	head       int                   // bytes with which the final answer's head is complete
	bodyAt     func(sent int) string // what has come of the body after so many bytes
	complete   func(sent int) bool
}

func endings() []ending {
	const (
		length = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
		chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\nX-T: a\r\n\r\n"
		until  = "HTTP/1.1 200 OK\r\n\r\nhello"
		within = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
	)
	plain := func(name, text string, complete func(int) bool) ending {
		head := len(text) - len("hello")
		return ending{name: name, text: text, head: head, bodyAt: func(sent int) string { return text[head:sent] }, complete: complete}
	}
	coded := strings.Index(chunks, "3\r\n")
	return []ending{
		plain("length", length, func(sent int) bool { return sent == len(length) }),
		plain("interim", within, func(sent int) bool { return sent == len(within) }),
		plain("until the end", until, func(int) bool { return true }),
		{
			name: "chunks", text: chunks, head: coded, complete: func(sent int) bool { return sent == len(chunks) },
			bodyAt: func(sent int) string {
				first, second := coded+len("3\r\n"), coded+len("3\r\nhel\r\n2\r\n")
				return clip("hel", sent-first) + clip("lo", sent-second)
			},
		},
	}
}

// clip returns the first n bytes of a text; none when n is negative.
func clip(text string, n int) string { return text[:max(0, min(n, len(text)))] }

// want returns what must be recorded when the answer ends after so many bytes.
func (e ending) want(sent int) recorded {
	switch {
	case sent < e.head:
		return brokeOff
	case e.complete(sent):
		return answered(200, e.bodyAt(sent))
	default:
		return cut(200, e.bodyAt(sent))
	}
}

// An answer that ends after any of its bytes is what has come of it, and nothing
// if its head has not. A request is sent again only if no byte came.
func TestEndsAtEveryByte(t *testing.T) {
	t.Parallel()
	for _, e := range endings() {
		for _, w := range withoutMore {
			t.Run(e.name+" "+w.String(), func(t *testing.T) {
				t.Parallel()
				for sent := range len(e.text) + 1 {
					r := row{
						name: fmt.Sprintf("after %d bytes", sent), http1: []step{say(e.text[:sent]), hangUp},
						want: e.want(sent), copiesKept: 1,
					}
					if sent == 0 {
						r.copiesKept = 2
					}
					r.try(t, t.FailNow, w, sent%2 == 0)
				}
			})
		}
	}
}

// An answer that comes byte by byte, over TLS each in a record of its own, is
// what it is in one piece.
func TestDrips(t *testing.T) {
	t.Parallel()
	var rows []row
	for _, e := range endings() {
		r := row{name: e.name, ways: everyWay, http1: []step{drip(e.text)}, want: e.want(len(e.text)), next: same}
		switch e.name {
		case "until the end":
			r.http1, r.next = append(r.http1, hangUp), another
		case "chunks": // a client that has not seen the head in one piece may doubt it
			r.next = either
		}
		rows = append(rows, r)
	}
	conform(t, rows)
}

// An answer that does not go on is waited for until the deadline, wherever it
// stands still; one whose status has come counts.
func TestStalls(t *testing.T) {
	t.Parallel()
	var rows []row
	for _, r := range []row{
		{name: "before the answer", http1: []step{silence}, want: timedOut},
		{name: "within the version", http1: []step{say("HTT"), silence}, want: timedOut},
		{name: "within the status", http1: []step{say("HTTP/1.1 20"), silence}, want: timedOut},
		{name: "after the status", http1: []step{say("HTTP/1.1 200"), silence}, want: timedOut},
		{name: "before the end of the status line", http1: []step{say("HTTP/1.1 200 OK\r"), silence}, want: timedOut},
		{name: "after the status line", http1: []step{say("HTTP/1.1 200 OK\r\n"), silence}, want: timedOut},
		{name: "within a header", http1: []step{say("HTTP/1.1 200 OK\r\nContent-Le"), silence}, want: timedOut},
		{name: "before the last line", http1: []step{say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"), silence}, want: timedOut},
		{name: "after an interim answer", http1: []step{say(hint), silence}, want: timedOut},
		{name: "before the body", http1: []step{say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), silence}, want: cut(200, "")},
		{name: "within the body", http1: []step{say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe"), silence}, want: cut(200, "he")},
		{name: "within a failure's body", http1: []step{say("HTTP/1.1 500 Oh\r\nContent-Length: 5\r\n\r\nhe"), silence}, want: cut(500, "he")},
		{name: "within a chunk", http1: []step{say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe"), silence}, want: cut(200, "he")},
		{name: "before the last chunk", http1: []step{say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n"), silence}, want: cut(200, "he")},
		{name: "a head that drips", http1: []step{say("HTTP/1.1 200 OK\r\nX-Drip: "), dripForever("x")}, want: timedOut},
		{name: "interim answers that drip", http1: []step{dripForever(hint)}, want: timedOut},
		{name: "a body that drips", http1: []step{say("HTTP/1.1 200 OK\r\n\r\nhe"), dripForever("")}, want: cut(200, "he")},
	} {
		r.timeout, r.ways = 2*time.Second, withoutMore
		rows = append(rows, r)
	}
	conformTogether(t, rows)
}
