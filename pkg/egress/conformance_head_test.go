package egress_test

import (
	"strings"
	"testing"
)

// A head is read as RFC 9112, section 5, has it, and as leniently as net/http
// does. What is kept of it is bounded, what is read of it too.
func TestHeads(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 1000)
	taken := func(name, head string) row {
		return row{name: name, ways: withoutMore, http1: []step{say(head)}, want: answered(200, "ok"), next: same}
	}
	refused := func(name, head string) row {
		return row{name: name, ways: withoutMore, http1: []step{say(head)}, want: invalid}
	}
	conform(t, []row{
		taken("lines that end in LF", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok"),
		taken("names in any case", "HTTP/1.1 200 OK\r\ncOnTeNt-LeNgTh: 2\r\n\r\nok"),
		taken("spaces around a value", "HTTP/1.1 200 OK\r\nContent-Length: \t 2 \t\r\n\r\nok"),
		taken("no space before a value", "HTTP/1.1 200 OK\r\nContent-Length:2\r\n\r\nok"),
		taken("an empty value", "HTTP/1.1 200 OK\r\nX-Empty:\r\nContent-Length: 2\r\n\r\nok"),
		taken("a folded line", "HTTP/1.1 200 OK\r\nX-Folded: a\r\n b\r\n\tc\r\nContent-Length: 2\r\n\r\nok"),
		taken("bytes beyond ASCII", "HTTP/1.1 200 OK\r\nX-Latin: caf\xe9\r\nContent-Length: 2\r\n\r\nok"),
		taken("forty kilobytes of headers", "HTTP/1.1 200 OK\r\n"+strings.Repeat("X-Long: "+long+"\r\n", 40)+"Content-Length: 2\r\n\r\nok"),
		taken("forty kilobytes in one header", "HTTP/1.1 200 OK\r\nX-Long: "+strings.Repeat(long, 40)+"\r\nContent-Length: 2\r\n\r\nok"),
		taken("a thousand headers", "HTTP/1.1 200 OK\r\n"+strings.Repeat("A:\r\n", 1000)+"Content-Length: 2\r\n\r\nok"),
		refused("a hundred thousand headers", "HTTP/1.1 200 OK\r\n"+strings.Repeat("A:\r\n", 100000)+"Content-Length: 2\r\n\r\nok"),
		taken("a space before the colon", "HTTP/1.1 200 OK\r\nX-Space : a\r\nContent-Length: 2\r\n\r\nok"),
		refused("no colon", "HTTP/1.1 200 OK\r\nContent-Length 2\r\n\r\nok"),
		refused("no name", "HTTP/1.1 200 OK\r\n: a\r\nContent-Length: 2\r\n\r\nok"),
		refused("a name that is none", "HTTP/1.1 200 OK\r\nX(: a\r\nContent-Length: 2\r\n\r\nok"),
		refused("a first line that is folded", "HTTP/1.1 200 OK\r\n X-Folded: a\r\nContent-Length: 2\r\n\r\nok"),
		refused("NUL in a name", "HTTP/1.1 200 OK\r\nX\x00: a\r\nContent-Length: 2\r\n\r\nok"),
		refused("NUL in the status line", "HTTP/1.1 2\x000 OK\r\nContent-Length: 2\r\n\r\nok"),
		{name: "a length that is none, for the space before its colon", ways: withoutMore, http1: []step{say("HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\nok"), hangUp}, want: answered(200, "ok")},
		refused("HTTP/0.9", "<html>hello</html>\r\n\r\n"),
		refused("the request itself", "POST /bad HTTP/1.1\r\nContent-Length: 2\r\n\r\nok"),
		{name: "ten megabytes of headers", ways: everyWay, http1: []step{say("HTTP/1.1 200 OK\r\n"), repeat(10<<10, "X-Long: "+long+"aaaaaaaaaaaaaa\r\n"), say("\r\n")}, want: invalid, bytes: 4 << 20},
		{name: "a header without end", ways: everyWay, http1: []step{say("HTTP/1.1 200 OK\r\nX-Long: "), repeat(-1, long)}, want: invalid, bytes: 4 << 20},
		{name: "a status line without end", ways: everyWay, http1: []step{say("HTTP/1.1 200 "), repeat(-1, long)}, want: invalid, bytes: 4 << 20},
		{name: "empty lines without end", ways: withoutMore, http1: []step{repeat(-1, "\r\n")}, want: invalid, bytes: 4 << 20},
	})
}
