package egress_test

import "testing"

// What comes before a request was written is never its answer: a connection with
// anything pending, in the socket, in TLS or in the proxy's tunnel, is not used
// again, however short ago it was used.
func TestLeftOver(t *testing.T) {
	t.Parallel()
	const (
		none    = "HTTP/1.1 204 No Content\r\n\r\n"
		chunked = "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"
		last    = "0\r\n\r\n"
		foreign = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 14\r\n\r\nanother's body"
		goodbye = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
		chunks  = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
	)
	var rows []row
	for _, r := range []struct {
		name, answer, pending string
		want                  recorded
	}{
		{"the last chunk of an answer without a body", chunked, last, answered(204, "")},
		{"another answer", none, foreign, answered(204, "")},
		{"another answer after a length", ok, foreign, answered(200, "ok")},
		{"another answer after chunks", chunks, foreign, answered(200, "ok")},
		{"an answer that ends the connection", ok, goodbye, answered(200, "ok")},
		{"an interim answer", ok, hint, answered(200, "ok")},
		{"an empty line", ok, "\r\n", answered(200, "ok")},
		{"one byte", none, "\x00", answered(204, "")},
		{"a body that 204 does not have", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", "hello", answered(204, "")},
		{"a long body that 204 does not have", "HTTP/1.1 204 No Content\r\n\r\n", foreign + foreign + foreign + foreign + foreign + foreign + foreign + foreign + foreign, answered(204, "")},
	} {
		rows = append(
			rows,
			row{name: r.name, ways: everyWay, http1: []step{say(r.answer + r.pending)}, want: r.want},
			row{name: r.name + ", a record of its own", ways: secureWays, http1: []step{together(r.answer, r.pending)}, want: r.want},
			row{name: r.name + ", later", ways: everyWay, http1: []step{say(r.answer), say(r.pending)}, want: r.want, later: true},
			row{name: r.name + ", a record of its own, later", ways: secureWays, http1: []step{together(r.answer, r.pending)}, want: r.want, later: true},
		)
	}
	conform(t, rows)
}

// A connection that has ended, in TCP or in TLS, is not used again, and no copy
// of a request is lost in it.
func TestPendingEnds(t *testing.T) {
	t.Parallel()
	conform(t, []row{
		{name: "TCP and TLS", ways: everyWay, http1: []step{say(ok), hangUp}, want: answered(200, "ok"), later: true},
		{name: "half of it", ways: everyWay, http1: []step{say(ok), farewell}, want: answered(200, "ok"), later: true},
		{name: "close_notify alone", ways: secureWays, http1: []step{say(ok), closeNotify}, want: answered(200, "ok"), later: true},
		{name: "TCP alone", ways: secureWays, http1: []step{say(ok), cutOff}, want: answered(200, "ok"), later: true},
		{name: "a reset", ways: everyWay, http1: []step{say(ok), arrives, reset}, want: answered(200, "ok"), later: true},
		{name: "announced", ways: everyWay, http1: []step{say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")}, want: answered(200, "ok")},
		{name: "announced among other options", ways: withoutMore, http1: []step{say("HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 2\r\n\r\nok")}, want: answered(200, "ok")},
		{name: "announced, and another answer", ways: everyWay, http1: []step{say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok" + ok)}, want: answered(200, "ok")},
		{name: "HTTP/1.0", ways: withoutMore, http1: []step{say("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")}, want: answered(200, "ok")},
		{name: "HTTP/1.0 that stays", ways: withoutMore, http1: []step{say("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok")}, want: answered(200, "ok"), next: either},
		{name: "HTTP/1.0 in chunks, which it has not", ways: withoutMore, http1: []step{say("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"), hangUp}, want: answered(200, "2\r\nok\r\n0\r\n\r\n")},
	})
}
