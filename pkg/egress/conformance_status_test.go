package egress_test

import (
	"strings"
	"testing"
)

// A status line (RFC 9112, section 4) that holds no status from 100 to 599 is no
// answer, whatever follows it.
func TestStatusLines(t *testing.T) {
	t.Parallel()
	var rows []row
	for _, line := range []string{
		"HTTP/1.1 099 Low", "HTTP/1.1 000 None", "HTTP/1.1 600 High", "HTTP/1.1 999 Higher", "HTTP/1.1 1000 Long", "HTTP/1.1 2000", "HTTP/1.1 20 Short",
		"HTTP/1.1 -1 Negative", "HTTP/1.1 +20 Sign", "HTTP/1.1 2O0 Letter", "HTTP/1.1 0x1 Hexadecimal", "HTTP/1.1 20", "HTTP/1.1 OK", "HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1200 OK",
		"http/1.1 200 OK", "HTTP/11 200 OK", "HTTP/1.x 200 OK", "ICY 200 OK", "SSH-2.0-OpenSSH_9.9", "200 OK", "",
	} {
		rows = append(rows, row{name: "refused: " + line, ways: withoutMore, http1: []step{say(line + "\r\nContent-Length: 2\r\n\r\nok" + ok)}, want: invalid})
	}
	for _, line := range []string{"HTTP/1.1 200 OK", "HTTP/1.1 200 ", "HTTP/1.1 200", "HTTP/1.1 200 Tout va bien, m\xc3\xaame ici", "HTTP/1.1 200 \xff"} {
		rows = append(rows, row{name: "taken: " + line, ways: withoutMore, http1: []step{say(line + "\r\nContent-Length: 2\r\n\r\nok")}, want: answered(200, "ok"), next: same})
	}
	conform(t, rows)
}

const (
	ok   = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	hint = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
)

// Interim answers (RFC 9110, section 15.2) come before the final one: any number
// of them, as long as their bytes and the time are bounded.
func TestInterimStatuses(t *testing.T) {
	t.Parallel()
	conform(t, []row{
		{name: "one", ways: everyWay, http1: []step{say("HTTP/1.1 100 Continue\r\n\r\n" + ok)}, want: answered(200, "ok"), next: same},
		{name: "six", ways: everyWay, http1: []step{say(strings.Repeat(hint, 6) + ok)}, want: answered(200, "ok"), next: same},
		{name: "six by themselves", ways: everyWay, http1: []step{say(hint), say(hint), say(hint), say(hint), say(hint), say(hint), say(ok)}, want: answered(200, "ok"), next: same},
		{name: "of an unknown status", ways: withoutMore, http1: []step{say("HTTP/1.1 199 Whatever\r\n\r\n" + ok)}, want: answered(200, "ok"), next: same},
		{name: "with a length, which has no meaning", ways: withoutMore, http1: []step{say("HTTP/1.1 102 Processing\r\nContent-Length: 500\r\n\r\n" + ok)}, want: answered(200, "ok"), next: either},
		{name: "before a failure", ways: withoutMore, http1: []step{say(hint + "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")}, want: answered(503, ""), next: same},
		{name: "then the end", ways: everyWay, http1: []step{say(hint), hangUp}, want: brokeOff},
		{name: "then a reset", ways: withoutMore, http1: []step{say(hint), reset}, want: brokeOff},
		{name: "then no HTTP", ways: withoutMore, http1: []step{say(hint + "SSH-2.0-OpenSSH_9.9\r\n\r\n")}, want: invalid},
		{name: "without end", ways: everyWay, http1: []step{repeat(-1, hint)}, want: invalid, bytes: 4 << 20},
		{name: "another protocol", ways: withoutMore, http1: []step{say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"), silence}, want: switched},
		{name: "another protocol, not named", ways: withoutMore, http1: []step{say("HTTP/1.1 101 Switching Protocols\r\n\r\n"), silence}, want: switched},
	})
}

// switched is recorded when a receiver goes over to a protocol that was not asked
// for.
var switched = recorded{status: 101, reason: "protocol", message: "Server answered 101"}
