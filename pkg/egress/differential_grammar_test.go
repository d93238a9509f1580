package egress_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
)

// conversation is what a receiver does with a request, made of a fuzz test's input.
type conversation struct {
	secure bool   // over TLS
	kept   bool   // the connection carried another request before
	ends   bool   // the receiver ends the connection after its answer
	answer string // which may be none, or more than one
	pieces []int  // lengths of the parts of answer that are written one by one; what is left comes last
	apart  bool   // what follows the answer is written by itself
	parsed parsing
}

// parts returns what is written one by one.
func (v conversation) parts() (parts []string) {
	rest, after := v.answer, ""
	if v.apart {
		rest, after = v.answer[:v.parsed.end], v.answer[v.parsed.end:]
	}
	for _, n := range v.pieces {
		parts = append(parts, rest[:min(n, len(rest))])
		rest = rest[min(n, len(rest)):]
	}
	return append(parts, rest, after)
}

// choices makes decisions of the bytes of an input. When they are used up it
// decides for what is usual, which stands first everywhere.
type choices struct{ rest []byte }

func (c *choices) next() byte {
	if len(c.rest) == 0 {
		return 0
	}
	b := c.rest[0]
	c.rest = c.rest[1:]
	return b
}

// below returns a number from 0 to n-1.
func (c *choices) below(n int) int {
	if n > 256 {
		return (int(c.next())<<8 | int(c.next())) % n
	}
	return int(c.next()) % n
}

func (c *choices) one(of ...string) string { return of[c.below(len(of))] }

// mostly returns the usual text seven times out of eight.
func (c *choices) mostly(usual string, odd ...string) string {
	if c.rarely(8) {
		return c.one(odd...)
	}
	return usual
}

// rarely is true for one value in so many.
func (c *choices) rarely(n int) bool { return c.below(n) == n-1 }

// Bits of an input's first byte.
const (
	inputKept = 1 << iota
	inputSecure
	inputEnds
	inputApart
	inputVerbatim // the rest of the input is the answer as it stands
)

// converse makes a conversation of an input: flags, the places at which the answer
// is divided, and the choices that make the answer, or the answer itself.
func converse(input []byte) conversation {
	c := choices{input}
	flags := c.next()
	v := conversation{kept: flags&inputKept != 0, secure: flags&inputSecure != 0, ends: flags&inputEnds != 0, apart: flags&inputApart != 0}
	for range c.below(4) {
		v.pieces = append(v.pieces, 1+c.below(300))
	}
	if flags&inputVerbatim != 0 {
		v.answer = string(c.rest)
	} else {
		v.answer = c.answers()
	}
	v.parsed = parse(v.answer)
	v.ends = v.ends || v.parsed.needsEnd
	return v
}

// answers returns an answer with what may stand before and after it, perhaps
// damaged.
func (c *choices) answers() string {
	var text strings.Builder
	if c.rarely(4) {
		for range 1 + c.below(8) {
			text.WriteString(c.interim())
		}
	}
	text.WriteString(c.answer())
	text.WriteString(c.one("", "", "", "", "", "", "\r\n", "\x00", "0\r\n\r\n", foreign, hint, "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n"))
	return c.damage(text.String())
}

const foreign = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 7\r\n\r\nforeign"

func (c *choices) interim() string {
	status := c.mostly("103 Early Hints", "100 Continue", "102 Processing", "199 Unknown", "101 Switching Protocols", "100", "103 ")
	return "HTTP/1.1 " + status + "\r\n" + c.one("", "Link: </a>\r\n", "Content-Length: 5\r\n", "Connection: close\r\n", "Transfer-Encoding: chunked\r\n") + "\r\n"
}

func (c *choices) answer() string {
	end := c.mostly("\r\n", "\n")
	line := c.version() + c.mostly(" ", "  ", "\t", "") + c.status() + c.mostly(" OK", "", " ", " Tout va bien \xe9", " \x00", "OK") + end
	body := c.body()
	head, framed := c.framing(body, end)
	if c.rarely(2) {
		head = c.fields(end) + head
	}
	if c.rarely(6) {
		head += c.fields(end)
	}
	return line + head + end + framed
}

func (c *choices) version() string {
	return c.mostly("HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "HTTP/0.9", "http/1.1", "HTTP/11", "HTTP/1", "ICY")
}

func (c *choices) status() string {
	if c.rarely(8) {
		return c.one("099", "000", "600", "999", "1000", "20", "-20", "+20", "2x0", "")
	}
	return c.one(
		"200", "200", "201", "202", "204", "205", "206", "301", "304", "307", "400", "404", "410", "413", "429", "500", "503", "599",
	)
}

// body returns the bytes that an answer is to carry.
func (c *choices) body() string {
	switch c.below(10) {
	case 0, 1, 2:
		return "ok"
	case 3:
		return ""
	case 4:
		return strings.Repeat("line\r\n", 1+c.below(100))
	case 5:
		return strings.Repeat("x", 4095+c.below(3)) // about what is kept
	case 6:
		return strings.Repeat("y", 65535+c.below(3)) // about what is read
	case 7:
		return foreign
	case 8:
		return "\x00\xff" + strings.Repeat("\xe9", c.below(20))
	default:
		return packed(strings.Repeat("packed ", 1+c.below(100)))
	}
}

func packed(text string) string {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return out.String()
}

// fields returns some header fields that do not say where the body ends.
func (c *choices) fields(end string) string {
	var all strings.Builder
	for range 1 + c.below(3) {
		field := c.one(
			"Content-Type: text/plain", "X-A: b", "X-A:", "x-a: \t b \t", "X-A: \xe9", "X-Long: "+strings.Repeat("z", 5000),
			"Connection: close", "Connection: close", "Connection: keep-alive", "Connection: x, Close", "Keep-Alive: timeout=5",
			"Upgrade: h2c", "Content-Encoding: gzip", "Content-Encoding: GZIP", "Content-Encoding: br", "Trailer: X-T", "Set-Cookie: a=b",
		)
		all.WriteString(c.mostly(field, "X-A : b", "X A: b", ": b", "X-A", " folded", "\tX-A: b", "X\x00: b", "X-A: b\x00c", "X-A: b\rc", "X-(: b", ""))
		all.WriteString(end)
	}
	return all.String()
}

// framing returns the fields that say where a body ends, and the body as it is
// sent; both may lie.
func (c *choices) framing(body, end string) (head, framed string) {
	n := len(body)
	switch c.below(16) {
	case 0, 1, 2, 3, 4, 5:
		return fmt.Sprintf("Content-Length: %d%s", n, end), body
	case 6, 7, 8, 9, 10:
		return "Transfer-Encoding: chunked" + end, c.chunks(body)
	case 11:
		return "", body
	case 12:
		length := c.one("0", "1", "5", "70000", "-2", "+2", "0x2", "2, 2", "", "two", "99999999999999999999", "0002", " 2 ")
		return "Content-Length: " + length + end, body
	case 13:
		return fmt.Sprintf("Content-Length: %d%sContent-Length: %d%s", n, end, n+c.below(2), end), body
	case 14:
		return fmt.Sprintf("Content-Length: %d%sTransfer-Encoding: chunked%s", n+c.below(3), end, end), c.chunks(body)
	default:
		coding := c.one("CHUNKED", "identity", "gzip, chunked", "chunked, chunked", "chunked"+end+"Transfer-Encoding: chunked", "", " chunked ", "chunked;a=b")
		return "Transfer-Encoding: " + coding + end, c.chunks(body)
	}
}

// chunks returns a body in chunks, some of which may be malformed.
func (c *choices) chunks(body string) string {
	var all strings.Builder
	for len(body) > 0 {
		part := body[:min(len(body), 1+c.below(5000))]
		body = body[len(part):]
		size := fmt.Sprintf("%x", len(part))
		if c.rarely(8) {
			size = c.one("0"+size, strings.ToUpper(size), size+";a=b", size+";a=\"b;c\"", size+" ", " "+size, "0x"+size, "-"+size, size+"0", "", "x", "ffffffffffffffff1")
		}
		all.WriteString(size + c.mostly("\r\n", "\n") + part + c.mostly("\r\n", "\n", ""))
	}
	last := c.mostly("0", "000", "0;a=b", "")
	trailer := c.one("", "", "", "X-T: a\r\n", "X-T: a\r\nX-U: b\r\n", "X-T\r\n", "Content-Length: 5\r\n", "X-T: a\n")
	return all.String() + last + "\r\n" + trailer + c.mostly("\r\n", "\n", "")
}

// damage cuts an answer short, or changes a byte of it.
func (c *choices) damage(text string) string {
	if len(text) == 0 {
		return text
	}
	at := func() int { return c.below(min(len(text), 2000)) }
	switch c.below(16) {
	case 13:
		return text[:at()]
	case 14:
		i := at()
		return text[:i] + string([]byte{c.next()}) + text[min(i+1, len(text)):]
	case 15:
		i := at()
		return text[:i] + text[i+1:]
	default:
		return text
	}
}
