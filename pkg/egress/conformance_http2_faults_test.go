package egress_test

import (
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// Faults of a connection or a stream (RFC 9113, sections 5 to 7): before the head
// of the answer the attempt fails, after it the status counts.
func TestHTTP2Faults(t *testing.T) {
	t.Parallel()
	frame := func(kind http2.FrameType, flags http2.Flags, id uint32, payload string) func(*stream) {
		return func(x *stream) {
			x.write(func(f *http2.Framer) error { return f.WriteRawFrame(kind, flags, id, []byte(payload)) })
		}
	}
	begun := func(then func(*stream)) func(*stream) {
		return func(x *stream) {
			x.headers(false, ":status", "200")
			x.data(false, "ok")
			then(x)
		}
	}
	text := func(text string) func(*stream) {
		return func(x *stream) { x.write(func(*http2.Framer) error { _, err := io.WriteString(x, text); return err }) }
	}
	rows := []row{
		over2("RST_STREAM", brokeOff, either, func(x *stream) { x.reset(http2.ErrCodeInternal) }),
		over2("RST_STREAM that cancels", brokeOff, either, func(x *stream) { x.reset(http2.ErrCodeCancel) }),
		over2("RST_STREAM after an interim answer", brokeOff, either, func(x *stream) {
			x.headers(false, ":status", "103")
			x.reset(http2.ErrCodeInternal)
		}),
		over2("RST_STREAM within the body", cut(200, "ok"), either, begun(func(x *stream) { x.reset(http2.ErrCodeInternal) })),
		over2("RST_STREAM without an error within the body", cut(200, "ok"), either, begun(func(x *stream) { x.reset(http2.ErrCodeNo) })),
		over2("RST_STREAM after the end", answered(200, "ok"), either, func(x *stream) {
			x.headers(false, ":status", "200")
			x.data(true, "ok")
			x.reset(http2.ErrCodeNo)
		}),
		over2("GOAWAY within the body, which goes on", answered(200, "ok"), another, func(x *stream) {
			x.headers(false, ":status", "200")
			x.goAway(x.id, http2.ErrCodeNo)
			x.data(true, "ok")
		}),
		over2("GOAWAY after the answer", answered(204, ""), another, func(x *stream) {
			x.write(func(f *http2.Framer) error { return f.WriteGoAway(x.id, http2.ErrCodeNo, []byte("bye")) })
			x.headers(true, ":status", "204")
		}),
		over2("GOAWAY of later streams, and the end", brokeOff, another, func(x *stream) {
			x.goAway(x.id, http2.ErrCodeNo)
			_ = x.Close()
		}),
		over2("the end", brokeOff, another, func(x *stream) { _ = x.Close() }),
		over2("the end within the body", cut(200, "ok"), another, begun(func(x *stream) { _ = x.Close() })),
		over2("the end after an interim answer", brokeOff, another, func(x *stream) {
			x.headers(false, ":status", "103")
			_ = x.Close()
		}),
		over2("PUSH_PROMISE", invalid, another, func(x *stream) {
			x.write(func(f *http2.Framer) error {
				return f.WritePushPromise(http2.PushPromiseParam{StreamID: x.id, PromiseID: 2, BlockFragment: x.block(":method", "GET", ":scheme", "https", ":path", "/", ":authority", "a"), EndHeaders: true})
			})
		}),
		over2("a window of the connection that overflows", invalid, another, frame(http2.FrameWindowUpdate, 0, 0, "\x7f\xff\xff\xff")),
		over2("a window of the stream that overflows", invalid, either, func(x *stream) {
			frame(http2.FrameWindowUpdate, 0, x.id, "\x7f\xff\xff\xff")(x)
		}),
		over2("a window that grows by nothing", invalid, another, frame(http2.FrameWindowUpdate, 0, 0, "\x00\x00\x00\x00")),
		over2("an initial window that overflows", invalid, another, frame(http2.FrameSettings, 0, 0, "\x00\x04\xff\xff\xff\xff")),
		over2("a frame size out of range", invalid, another, frame(http2.FrameSettings, 0, 0, "\x00\x05\x00\x00\x00\x01")),
		over2("SETTINGS of five bytes", invalid, another, frame(http2.FrameSettings, 0, 0, "\x00\x05\x00\x00\x00")),
		over2("SETTINGS of a stream", invalid, another, func(x *stream) { frame(http2.FrameSettings, 0, x.id, "")(x) }),
		over2("PING of seven bytes", invalid, another, frame(http2.FramePing, 0, 0, "1234567")),
		over2("a body of no stream", invalid, another, frame(http2.FrameData, 0, 0, "ok")),
		over2("CONTINUATION of nothing", invalid, another, func(x *stream) { frame(http2.FrameContinuation, 0, x.id, "\x88")(x) }),
		over2("headers that do not unpack", invalid, another, func(x *stream) {
			frame(http2.FrameHeaders, http2.FlagHeadersEndHeaders, x.id, "\xff\xff\xff\xff\xff\xff")(x)
		}),
		over2("a frame within headers", invalid, another, func(x *stream) {
			frame(http2.FrameHeaders, 0, x.id, "\x88")(x)
			frame(http2.FramePing, 0, 0, "12345678")(x)
		}),
		over2("a frame that is too long", invalid, another, text("\x10\x00\x00\x00\x00\x00\x00\x00\x01"+strings.Repeat("x", 1<<20))),
		over2("HTTP/1.1", invalid, another, text("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")),
		over2("no HTTP", invalid, another, text("220 mail.example.com ESMTP ready\r\n")),
		over2("HTTP/1.1 within the body", cut(200, "ok"), another, begun(text("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"))),
	}
	for i := range rows {
		rows[i].ways = secureWays
		if rows[i].name == "the end" || rows[i].name == "GOAWAY of later streams, and the end" {
			rows[i].copiesKept = 2
		}
	}
	conform(t, rows)
}

// A receiver that speaks HTTP/1.1 although ALPN chose HTTP/2 does so from the
// beginning.
func TestHTTP1WhereHTTP2WasAgreed(t *testing.T) {
	t.Parallel()
	for _, w := range secureWays {
		for name, serve := range map[string]func(*connection){
			"at once": func(c *connection) {
				_ = say("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")(c)
				_ = silence(c)
			},
			"at once, and the end": func(c *connection) {
				_ = say("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")(c)
				_ = closeNotify(c)
				_ = silence(c)
			},
		} {
			t.Run(name+" "+w.String(), func(t *testing.T) {
				t.Parallel()
				s := newSetting(t, w, patience, receiverTLS("h2"), func(c *connection) {
					if c.protocol() == "h2" {
						serve(c)
					}
				})
				invalid.check(t, "the request", s.client.Send(t.Context(), s.request(badPath, "acme")))
			})
		}
	}
}

// What a receiver sends without end is bounded, whatever it is. Only the body of
// an answer is one.
func TestHTTP2Floods(t *testing.T) {
	t.Parallel()
	flood := func(frame func(*http2.Framer, uint32) error) func(*stream) {
		return func(x *stream) {
			_ = x.raw.SetWriteBuffer(64 << 10)
			for x.write(func(f *http2.Framer) error {
				x.raw.cork()
				for range 1000 {
					if err := frame(f, x.id); err != nil {
						return err
					}
				}
				return x.raw.uncork()
			}) {
			}
		}
	}
	rows := []row{
		over2("PING", tooMuch, another, flood(func(f *http2.Framer, _ uint32) error { return f.WritePing(false, [8]byte{}) })),
		over2("PING that was not asked for", tooMuch, another, flood(func(f *http2.Framer, _ uint32) error { return f.WritePing(true, [8]byte{}) })),
		over2("SETTINGS", tooMuch, another, flood(func(f *http2.Framer, _ uint32) error { return f.WriteSettings() })),
		over2("frames of an unknown type", tooMuch, another, flood(func(f *http2.Framer, _ uint32) error { return f.WriteRawFrame(0xbe, 0, 0, make([]byte, 1000)) })),
		over2("PRIORITY", tooMuch, another, flood(func(f *http2.Framer, id uint32) error {
			return f.WriteRawFrame(http2.FramePriority, 0, id, make([]byte, 5))
		})),
		over2("WINDOW_UPDATE", tooMuch, another, flood(func(f *http2.Framer, _ uint32) error { return f.WriteWindowUpdate(0, 1) })),
	}
	rows = append(
		rows,
		over2("interim answers", invalid, either, func(x *stream) {
			for range 2400 { // enough for the stream to end, and not the connection
				x.headers(false, ":status", "103", "link", "</a.css>")
			}
		}),
		over2("CONTINUATION", invalid, another, func(x *stream) {
			x.write(func(f *http2.Framer) error {
				err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: x.id, BlockFragment: x.block(":status", "200")})
				for err == nil {
					err = f.WriteContinuation(x.id, false, x.block("x-long", strings.Repeat("a", 1000)))
				}
				return err
			})
		}),
		over2("ten megabytes of headers", invalid, either, func(x *stream) {
			x.headers(true, append([]string{":status", "204"}, many(10<<10, 1000)...)...)
		}),
		over2("frames without a body", cut(200, ""), either, func(x *stream) {
			x.headers(false, ":status", "200")
			flood(func(f *http2.Framer, id uint32) error { return f.WriteData(id, false, nil) })(x)
		}),
		over2("frames of padding", cut(200, ""), either, func(x *stream) {
			x.headers(false, ":status", "200")
			flood(func(f *http2.Framer, id uint32) error { return f.WriteDataPadded(id, false, nil, make([]byte, 255)) })(x)
		}),
	)
	for i := range rows {
		rows[i].bytes = 8 << 20
	}
	conform(t, rows)
}

// A receiver that stands still is waited for until the deadline.
func TestHTTP2Stalls(t *testing.T) {
	t.Parallel()
	rows := []row{
		over2("before the answer", timedOut, either, func(*stream) {}),
		over2("after an interim answer", timedOut, either, func(x *stream) { x.headers(false, ":status", "103") }),
		over2("within the body", cut(200, "ok"), either, func(x *stream) {
			x.headers(false, ":status", "200")
			x.data(false, "ok")
		}),
	}
	for i := range rows {
		rows[i].timeout = 2 * time.Second
	}
	conformTogether(t, rows)
}
