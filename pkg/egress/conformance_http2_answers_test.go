package egress_test

import (
	"strings"
	"testing"

	"golang.org/x/net/http2"
)

// over2 returns a row whose request is answered over HTTP/2.
func over2(name string, want recorded, next nextConnection, answer func(*stream)) row {
	return row{name: name, ways: secureWays[:1], http2: &http2Receiver{answer: answer}, want: want, next: next}
}

// Answers over HTTP/2 (RFC 9113, section 8) that are as they should be, odd, or
// malformed.
func TestHTTP2Answers(t *testing.T) {
	t.Parallel()
	fields := func(end bool, fields ...string) func(*stream) {
		return func(x *stream) { x.headers(end, fields...) }
	}
	rows := []row{
		over2("no body", answered(204, ""), same, fields(true, ":status", "204")),
		over2("a body", answered(200, "ok"), same, func(x *stream) {
			x.headers(false, ":status", "200", "content-type", "text/plain")
			x.data(false, "o")
			x.data(true, "k")
		}),
		over2("an empty end", answered(200, "ok"), same, func(x *stream) {
			x.headers(false, ":status", "200")
			x.data(false, "ok")
			x.data(true, "")
		}),
		over2("trailers", answered(200, "ok"), same, func(x *stream) {
			x.headers(false, ":status", "200")
			x.data(false, "ok")
			x.headers(true, "x-trailer", "a")
		}),
		over2("padding", answered(200, "ok"), same, func(x *stream) {
			x.headers(false, ":status", "200")
			x.write(func(f *http2.Framer) error { return f.WriteDataPadded(x.id, true, []byte("ok"), make([]byte, 200)) })
		}),
		over2("a byte in each frame", answered(200, strings.Repeat("x", 2000)), same, func(x *stream) {
			x.headers(false, ":status", "200")
			for range 2000 {
				x.data(false, "x")
			}
			x.data(true, "")
		}),
		over2("frames of an unknown type", answered(204, ""), same, func(x *stream) {
			x.write(func(f *http2.Framer) error { return f.WriteRawFrame(0xbe, 0xff, x.id, []byte("whatever")) })
			x.headers(true, ":status", "204")
		}),
		over2("a failure", answered(503, "no"), same, func(x *stream) {
			x.headers(false, ":status", "503")
			x.data(true, "no")
		}),
		over2("six interim answers", answered(204, ""), same, func(x *stream) {
			for range 6 {
				x.headers(false, ":status", "103", "link", "</a.css>")
			}
			x.headers(true, ":status", "204")
		}),
		over2("forty kilobytes of headers", answered(204, ""), same, func(x *stream) {
			x.headers(true, append([]string{":status", "204"}, many(40, 1000)...)...)
		}),
		over2("no status", invalid, either, fields(true, "content-length", "0")),
		over2("a status twice", invalid, either, fields(true, ":status", "200", ":status", "200")),
		over2("a status after a header", invalid, either, fields(true, "x-a", "b", ":status", "200")),
		over2("an unknown pseudo header", invalid, either, fields(true, ":status", "200", ":path", "/")),
		over2("a name in capitals", invalid, either, fields(true, ":status", "200", "X-A", "b")),
		over2("a value of two lines", invalid, either, fields(true, ":status", "200", "x-a", "b\r\nx-c: d")),
		over2("NUL in a value", invalid, either, fields(true, ":status", "200", "x-a", "b\x00")),
		over2("no name", invalid, either, fields(true, ":status", "200", "", "b")),
		over2("a body before the head", invalid, either, func(x *stream) {
			x.data(true, "ok")
		}),
		over2("another protocol", invalid, either, fields(true, ":status", "101")), // RFC 9113, section 8.6
		over2("an interim answer that ends the stream", invalid, either, fields(true, ":status", "103")),
		over2("less than its length", cut(200, "o"), either, func(x *stream) {
			x.headers(false, ":status", "200", "content-length", "2")
			x.data(true, "o")
		}),
		over2("more than its length", cut(200, "ok"), either, func(x *stream) {
			x.headers(false, ":status", "200", "content-length", "2")
			x.data(true, "okay")
		}),
	}
	for _, status := range []string{"099", "000", "600", "999", "1000", "20", "-1", "+20", "2O0", "", "OK"} {
		rows = append(rows, over2("status "+status, invalid, either, fields(true, ":status", status)))
	}
	conform(t, rows)
}

// many returns so many headers of so many bytes each.
func many(n, size int) (fields []string) {
	for range n {
		fields = append(fields, "x-long", strings.Repeat("a", size))
	}
	return fields
}
