package egress_test

import (
	"strings"
	"testing"
)

const head200 = "HTTP/1.1 200 OK\r\n"

// A body ends where RFC 9112, section 6, says. One whose end is not known, or
// does not come, is marked as cut, and the connection is not used again.
func TestBodiesByLength(t *testing.T) {
	t.Parallel()
	said := func(name, text string, want recorded, next nextConnection) row {
		return row{name: name, ways: withoutMore, http1: []step{say(text)}, want: want, next: next}
	}
	ended := func(name string, want recorded, steps ...step) row {
		return row{name: name, ways: withoutMore, http1: append(steps, hangUp), want: want}
	}
	conform(t, []row{
		said("none", head200+"Content-Length: 0\r\n\r\n", answered(200, ""), same),
		said("twice the same length", head200+"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok", answered(200, "ok"), either),
		said("zeros before it", head200+"Content-Length: 0002\r\n\r\nok", answered(200, "ok"), same),
		said("two lengths", head200+"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok!", invalid, another),
		said("a list of lengths", head200+"Content-Length: 2, 2\r\n\r\nok", invalid, another),
		said("a negative length", head200+"Content-Length: -2\r\n\r\nok", invalid, another),
		said("a length with a sign", head200+"Content-Length: +2\r\n\r\nok", invalid, another),
		said("a hexadecimal length", head200+"Content-Length: 0x2\r\n\r\nok", invalid, another),
		said("no number", head200+"Content-Length: two\r\n\r\nok", invalid, another),
		said("an empty length", head200+"Content-Length:\r\n\r\nok", invalid, another),
		said("more than can be counted", head200+"Content-Length: 99999999999999999999\r\n\r\nok", invalid, another),
		said("too short a length", head200+"Content-Length: 2\r\n\r\nokay", answered(200, "ok"), another),
		ended("too long a length", cut(200, "ok"), say(head200+"Content-Length: 10\r\n\r\nok")),
		ended("until the end", answered(200, "ok"), say(head200+"\r\nok")),
		ended("until the end, after a while", answered(200, "okay"), say(head200+"\r\nok"), say("ay")),
		ended("until the end, in pieces", answered(200, "okay"), drip(head200+"\r\nokay")),
		said("no body with 204", "HTTP/1.1 204 No Content\r\n\r\n", answered(204, ""), same),
		said("no body with 204, whatever its length", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", answered(204, ""), another),
		said("no body with 204, whatever its coding", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", answered(204, ""), another),
		said("no body with 304, whatever its length", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", answered(304, ""), either),
		said("204 and a body all the same", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", answered(204, ""), another),
		said("304 and a body all the same", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello", answered(304, ""), another),
		said("205 and a body", "HTTP/1.1 205 Reset Content\r\nContent-Length: 5\r\n\r\nhello", answered(205, "hello"), either),
		said("more than is read", head200+"Content-Length: 100000\r\n\r\n"+strings.Repeat("x", 100000), cut(200, strings.Repeat("x", 4096)), another),
		said("more than is kept", head200+"Content-Length: 30000\r\n\r\n"+strings.Repeat("x", 30000), cut(200, strings.Repeat("x", 4096)), same),
		said("as much as is kept", head200+"Content-Length: 4096\r\n\r\n"+strings.Repeat("x", 4096), answered(200, strings.Repeat("x", 4096)), same),
		{name: "without end", ways: everyWay, http1: []step{say(head200 + "\r\n"), repeat(-1, "x")}, want: cut(200, strings.Repeat("x", 4096)), bytes: 4 << 20},
		{name: "TCP ends and TLS does not", ways: secureWays, http1: []step{say(head200 + "\r\nok"), cutOff}, want: answered(200, "ok")}, // as crypto/tls has it, between records
		{name: "to HEAD", method: "HEAD", ways: withoutMore, http1: []step{say(head200 + "Content-Length: 2\r\n\r\n")}, want: answered(200, ""), next: same},
		{name: "to HEAD and a body all the same", method: "HEAD", ways: withoutMore, http1: []step{say(ok)}, want: answered(200, ""), next: another},
		{name: "a reset within it", ways: withoutMore, http1: []step{say(head200 + "Content-Length: 10\r\n\r\n"), reset}, want: cut(200, "")},
	})
}

func TestBodiesInChunks(t *testing.T) {
	t.Parallel()
	const head = head200 + "Transfer-Encoding: chunked\r\n\r\n"
	said := func(name, text string, want recorded, next nextConnection) row {
		return row{name: name, ways: withoutMore, http1: []step{say(text)}, want: want, next: next}
	}
	ended := func(name, text string, want recorded) row {
		return row{name: name, ways: withoutMore, http1: []step{say(text), hangUp}, want: want}
	}
	conform(t, []row{
		said("two", head+"1\r\no\r\n1\r\nk\r\n0\r\n\r\n", answered(200, "ok"), same),
		said("none", head+"0\r\n\r\n", answered(200, ""), same),
		said("extensions", head+"2;a=b;c=\"d;e\"\r\nok\r\n0;f\r\n\r\n", answered(200, "ok"), same),
		said("zeros before a size", head+"0002\r\nok\r\n0000\r\n\r\n", answered(200, "ok"), same),
		said("letters in either case", head+"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", answered(200, "01234567890123456789"), same),
		said("trailers", head+"2\r\nok\r\n0\r\nX-Trailer: a\r\nX-More: b\r\n\r\n", answered(200, "ok"), same),
		said("the coding in capitals", head200+"Transfer-Encoding: CHUNKED\r\n\r\n2\r\nok\r\n0\r\n\r\n", answered(200, "ok"), same),
		said("a length beside it", head200+"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", answered(200, "ok"), another),
		said("another coding beside it", head200+"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", invalid, another),
		said("another coding", head200+"Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nok", invalid, another),
		said("named twice", head200+"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", invalid, another),
		said("a size that is none", head+"2\r\nok\r\nxyz\r\nok\r\n0\r\n\r\n", cut(200, "ok"), another),
		said("no size", head+"2\r\nok\r\n\r\nok\r\n0\r\n\r\n", cut(200, "ok"), another),
		said("a negative size", head+"2\r\nok\r\n-2\r\nok\r\n0\r\n\r\n", cut(200, "ok"), another),
		said("a size with 0x", head+"2\r\nok\r\n0x2\r\nok\r\n0\r\n\r\n", cut(200, "ok"), another),
		said("more than can be counted", head+"2\r\nok\r\n11111111111111111\r\nok\r\n0\r\n\r\n", cut(200, "ok"), another),
		said("too short a size", head+"2\r\nokay\r\n0\r\n\r\n", cut(200, "ok"), another),
		said("lines that end in LF", head+"2\nok\n0\n\n", cut(200, ""), another),
		ended("the end after the head", head, cut(200, "")),
		ended("the end within a chunk", head+"a\r\nok", cut(200, "ok")),
		ended("the end after a chunk", head+"2\r\nok\r\n", cut(200, "ok")),
		ended("the end before the last line", head+"2\r\nok\r\n0\r\n", cut(200, "ok")),
		ended("the end within trailers", head+"2\r\nok\r\n0\r\nX-Trailer: a\r\n", cut(200, "ok")),
		{name: "a size without end", ways: withoutMore, http1: []step{say(head), repeat(-1, "0")}, want: cut(200, ""), bytes: 4 << 20},
		{name: "an extension without end", ways: withoutMore, http1: []step{say(head + "2;"), repeat(-1, "a")}, want: cut(200, ""), bytes: 4 << 20},
		{name: "trailers without end", ways: withoutMore, http1: []step{say(head + "2\r\nok\r\n0\r\n"), repeat(-1, "X-Trailer: a\r\n")}, want: cut(200, "ok"), bytes: 4 << 20},
		{name: "chunks of one byte without end", ways: withoutMore, http1: []step{say(head), repeat(-1, "1\r\nx\r\n")}, want: cut(200, strings.Repeat("x", 4096)), bytes: 4 << 20},
	})
}
