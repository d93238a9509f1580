package egress

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/dialnote/webhooks/pkg/delivery"
)

// packers pack by each coding that can be undone.
var packers = map[string]func(io.Writer) io.WriteCloser{
	"gzip":    func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
	"deflate": func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) },
	"bare deflate": func(w io.Writer) io.WriteCloser {
		f, _ := flate.NewWriter(w, flate.DefaultCompression) // fails for a wrong level only
		return f
	},
}

func packed(tb testing.TB, packer, body string) string {
	tb.Helper()
	var out bytes.Buffer
	w := packers[packer](&out)
	if _, err := io.WriteString(w, body); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.String()
}

// flushed packs a body up to where it could go on.
func flushed(tb testing.TB, packer, body string) string {
	tb.Helper()
	var out bytes.Buffer
	w := packers[packer](&out)
	if _, err := io.WriteString(w, body); err != nil {
		tb.Fatal(err)
	}
	if err := w.(interface{ Flush() error }).Flush(); err != nil {
		tb.Fatal(err)
	}
	return out.String()
}

func TestCodings(t *testing.T) {
	t.Parallel()
	for want, fields := range map[string][]string{
		"":                   nil,
		" ":                  {"", ", ,", "identity", "Identity,"},
		"gzip":               {"GZIP"},
		"gzip br":            {"gzip, br"},
		"gzip br deflate":    {"gzip,identity", " br ,deflate "},
		"unknown":            {"a b"},
		"gzip unknown x-foo": {"gzip, \xff\x00, X-Foo"},
	} {
		if got := codings(http.Header{"Content-Encoding": fields}); !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%q: %q, want %q", fields, got, want)
		}
	}
}

func TestUnpack(t *testing.T) {
	t.Parallel()
	const most = 1000
	text := strings.Repeat("All is well. ", 10)
	zip := packed(t, "gzip", text)
	zeros := strings.Repeat("\x00", most)
	empty := "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff" + strings.Repeat("\x00\x00\x00\xff\xff", 100)
	for name, tt := range map[string]struct {
		coding, raw string
		open        bool // the body did not end
		want        string
		cut         bool
		left        string
	}{
		"no body":                            {"gzip", "", false, "", false, ""},
		"no body, and no end":                {"gzip", "", true, "", true, ""},
		"gzip":                               {"gzip", zip, false, text, false, ""},
		"x-gzip":                             {"x-gzip", zip, false, text, false, ""},
		"gzip of nothing":                    {"gzip", packed(t, "gzip", ""), false, "", false, ""},
		"gzip of binary":                     {"gzip", packed(t, "gzip", "\x00\xff\x89"), false, "\x00\xff\x89", false, ""},
		"gzip in members":                    {"gzip", packed(t, "gzip", "one, ") + packed(t, "gzip", "") + packed(t, "gzip", "two"), false, "one, two", false, ""},
		"gzip, then something else":          {"gzip", zip + "\r\n<!-- cached -->", false, text, false, ""},
		"gzip, then zeros":                   {"gzip", zip + "\x00\x00\x00", false, text, false, ""},
		"gzip, then a broken member":         {"gzip", zip + "\x1f\x8b\x00\x00\x00\x00\x00\x00\x00\x00\x00", false, text, true, ""},
		"gzip, then half a member":           {"gzip", packed(t, "gzip", "one") + flushed(t, "gzip", "two"), false, "onetwo", true, ""},
		"gzip that breaks off":               {"gzip", flushed(t, "gzip", text), false, text, true, ""},
		"gzip without its checksum":          {"gzip", zip[:len(zip)-8], false, text, true, ""},
		"gzip with a wrong checksum":         {"gzip", zip[:len(zip)-8] + "\x00\x00\x00\x00" + zip[len(zip)-4:], false, text, true, ""},
		"gzip that is corrupt further on":    {"gzip", flushed(t, "gzip", text) + "\xff\xff", false, text, true, ""},
		"gzip that is corrupt at once":       {"gzip", zip[:10] + "\xff\xff", false, zip[:10] + "\xff\xff", false, "gzip"},
		"gzip of another method":             {"gzip", "\x1f\x8b\x07" + zip[3:], false, "\x1f\x8b\x07" + zip[3:], false, "gzip"},
		"a head of gzip":                     {"gzip", zip[:10], false, "", true, ""},
		"half a head of gzip":                {"gzip", zip[:5], true, "", true, ""},
		"a byte of gzip":                     {"gzip", zip[:1], false, "", true, ""},
		"gzip that did not end":              {"gzip", zip, true, text, true, ""},
		"a bomb":                             {"gzip", packed(t, "gzip", strings.Repeat(zeros, 100)), false, zeros, false, ""},
		"empty blocks":                       {"gzip", empty, true, "", true, ""},
		"plain text that says gzip":          {"gzip", text, false, text, false, "gzip"},
		"a short one":                        {"gzip", "ok", false, "ok", false, "gzip"},
		"a character":                        {"gzip", "0", false, "0", false, "gzip"},
		"JSON that says gzip":                {"gzip", `{"ok":true}`, false, `{"ok":true}`, false, "gzip"},
		"plain text that did not end":        {"gzip", text, true, text, true, "gzip"},
		"zlib that says gzip":                {"gzip", packed(t, "deflate", text), false, packed(t, "deflate", text), false, "gzip"},
		"deflate":                            {"deflate", packed(t, "deflate", text), false, text, false, ""},
		"deflate of nothing":                 {"deflate", packed(t, "deflate", ""), false, "", false, ""},
		"deflate that breaks off":            {"deflate", flushed(t, "deflate", text), false, text, true, ""},
		"deflate that is corrupt":            {"deflate", flushed(t, "deflate", text) + "\xff\xff", false, text, true, ""},
		"deflate, then something else":       {"deflate", packed(t, "deflate", text) + "\n", false, text, false, ""},
		"a head of deflate":                  {"deflate", "\x78\x9c", false, "", true, ""},
		"a bomb of deflate":                  {"deflate", packed(t, "deflate", strings.Repeat(zeros, 100)), false, zeros, false, ""},
		"bare deflate":                       {"deflate", packed(t, "bare deflate", text), false, text, false, ""},
		"bare deflate of nothing":            {"deflate", packed(t, "bare deflate", ""), false, "", false, ""},
		"bare deflate that breaks off":       {"deflate", flushed(t, "bare deflate", text), false, text, true, ""},
		"a bomb of bare deflate":             {"deflate", packed(t, "bare deflate", strings.Repeat(zeros, 100)), false, zeros, false, ""},
		"plain text that says deflate":       {"deflate", text, false, text, false, "deflate"},
		"JSON that says deflate":             {"deflate", `{"ok":true}`, false, `{"ok":true}`, false, "deflate"},
		"text like a head of zlib":           {"deflate", "x^2 + y^2", false, "x^2 + y^2", false, "deflate"},
		"text that unpacks to something":     {"deflate", "K\xcb\xcf\x07\x00 and more", false, "K\xcb\xcf\x07\x00 and more", false, "deflate"},
		"gzip that says deflate":             {"deflate", zip, false, zip, false, "deflate"},
		"br":                                 {"br", "\x8b\x02\x80ok\x03", false, "\x8b\x02\x80ok\x03", false, "br"},
		"zstd":                               {"zstd", "(\xb5/\xfd\x04\x00\x11", true, "(\xb5/\xfd\x04\x00\x11", true, "zstd"},
		"plain text that says br":            {"br", text, false, text, false, "br"},
		"twice":                              {"gzip, deflate", packed(t, "deflate", zip), false, text, false, ""},
		"twice the same":                     {"gzip, gzip", packed(t, "gzip", zip), false, text, false, ""},
		"twice, and said once":               {"gzip", packed(t, "gzip", zip), false, zip, false, ""},
		"once, and said twice":               {"gzip, gzip", zip, false, text, false, "gzip"},
		"br, then gzip":                      {"br, gzip", packed(t, "gzip", "\x8b\x02\x80ok\x03"), false, "\x8b\x02\x80ok\x03", false, "br"},
		"gzip, then br":                      {"gzip, br", "\x8b\x02\x80ok\x03", false, "\x8b\x02\x80ok\x03", false, "gzip, br"},
		"three times":                        {"gzip, gzip, deflate", packed(t, "deflate", packed(t, "gzip", zip)), false, text, false, ""},
		"four times":                         {"gzip, gzip, gzip, gzip", zip, false, zip, false, "gzip, gzip, gzip, gzip"},
		"a bomb in a bomb":                   {"gzip, gzip", packed(t, "gzip", packed(t, "gzip", strings.Repeat(zeros, 10_000))), false, zeros, false, ""},
		"very many":                          {strings.Repeat("gzip, ", 999) + "gzip", zip, false, zip, false, strings.Repeat("gzip, ", 17)[:maxCodingNames]},
		"names that are none":                {"gz ip\xff", zip, false, zip, false, "unknown"},
		"breaks off in the second of layers": {"gzip, deflate", packed(t, "deflate", flushed(t, "gzip", text)), false, text, true, ""},
		"breaks off in the first of layers":  {"gzip, deflate", flushed(t, "deflate", zip), false, text, true, ""},
	} {
		u := new(unpacker)
		for range 2 { // an unpacker can be used again
			body, cut, left := u.unpack([]byte(tt.raw), !tt.open, codings(http.Header{"Content-Encoding": {tt.coding}}), most)
			if string(body) != tt.want || cut != tt.cut || left != tt.left {
				t.Errorf("%s: %.60q, cut %t, left %q; want %.60q, %t, %q", name, body, cut, left, tt.want, tt.cut, tt.left)
			}
		}
	}
}

// What is packed unpacks to the same, and what is not is kept as it came.
func FuzzUnpack(f *testing.F) {
	for _, seed := range []string{"", "ok", `{"ok":true}`, "x^2", "\x1f\x8b", "\x78\x9c\x03\x00", "K\xcb\xcf\x07\x00", "\x8b\x02\x80ok\x03", strings.Repeat("a", 5000)} {
		f.Add(seed, byte(0))
		f.Add(packed(f, "gzip", seed), byte(1))
	}
	lists := [][]string{{"gzip"}, {"deflate"}, {"gzip", "deflate"}, {"deflate", "gzip", "gzip"}, {"br", "gzip"}, {"br"}}
	f.Fuzz(func(t *testing.T, raw string, which byte) {
		const most = 4096
		u := new(unpacker)
		names := lists[int(which)%len(lists)]
		body, cut, left := u.unpack([]byte(raw), true, names, most)
		if len(body) > max(most, len(raw)) || left != strings.Join(names[:len(splitNames(left))], ", ") {
			t.Fatalf("%q as %q: %d bytes, left %q", raw, names, len(body), left)
		}
		if left == strings.Join(names, ", ") && raw != "" && (string(body) != raw || cut) {
			t.Fatalf("%q as %q is not unpacked, and is %q, cut %t", raw, names, body, cut)
		}
		if len(raw) > most {
			return
		}
		for _, packer := range slices.Sorted(maps.Keys(packers)) {
			coding := strings.TrimPrefix(packer, "bare ")
			body, cut, left := u.unpack([]byte(packed(t, packer, raw)), true, []string{coding}, most)
			if string(body) != raw || cut || left != "" {
				t.Fatalf("%q by %s comes back as %q, cut %t, left %q", raw, packer, body, cut, left)
			}
		}
	})
}

func splitNames(left string) []string {
	if left == "" {
		return nil
	}
	return strings.Split(left, ", ")
}

// Over HTTP: what comes packed, what only says so, and what breaks off. The
// connection of a short answer is used again.
func TestPackedAnswers(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("0123456789abcdef", DefaultMaxAnswer/16)
	brotli := "\x8b\x02\x80ok\x03"
	for name, tt := range map[string]struct {
		coding, body string
		lacks        int // bytes that are announced and do not come
		want         delivery.Response
	}{
		"deflate":                   {"deflate", packed(t, "deflate", "ok"), 0, delivery.Response{Body: []byte("ok")}},
		"bare deflate":              {"Deflate", packed(t, "bare deflate", "ok"), 0, delivery.Response{Body: []byte("ok")}},
		"plain text that says gzip": {"gzip", "abcdefghijkl", 0, delivery.Response{Body: []byte("abcdefghijkl"), Encoding: "gzip"}},
		"br":                        {"br", brotli, 0, delivery.Response{Body: []byte(brotli), Encoding: "br"}},
		"much of br":                {"br", strings.Repeat(brotli, 1000), 0, delivery.Response{Body: []byte(strings.Repeat(brotli, 1000)[:DefaultKeepAnswer]), Encoding: "br", Truncated: true}},
		"more of br than is read":   {"br", strings.Repeat(brotli, 20_000), 0, delivery.Response{Body: []byte(strings.Repeat(brotli, 1000)[:DefaultKeepAnswer]), Encoding: "br", Truncated: true}},
		"much of gzip":              {"gzip", packed(t, "gzip", long+long), 0, delivery.Response{Body: []byte(long[:DefaultKeepAnswer]), Truncated: true}},
		"gzip that breaks off":      {"gzip", flushed(t, "gzip", "ok"), 30, delivery.Response{Body: []byte("ok"), Truncated: true}},
		"br that breaks off":        {"br", brotli, 30, delivery.Response{Body: []byte(brotli), Encoding: "br", Truncated: true}},
		"nothing, packed":           {"gzip", "", 0, delivery.Response{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := listen(t, "tcp", "127.0.0.1:0", answer(
				fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n%s", tt.coding, len(tt.body)+tt.lacks, tt.body)))
			c := client(t, func(cfg *Config) {
				if tt.lacks > 0 {
					cfg.Timeout = short
				}
			})
			for range 2 {
				out := c.Send(t.Context(), post(s.url()))
				want(t, out, "", "")
				r := out.Response
				if !bytes.Equal(r.Body, tt.want.Body) || r.Truncated != tt.want.Truncated || r.Encoding != tt.want.Encoding {
					t.Errorf("kept %.60q, cut %t, left %q", r.Body, r.Truncated, r.Encoding)
				}
			}
			if whole := tt.lacks == 0 && len(tt.body) < DefaultMaxAnswer; (s.accepted.Load() == 1) != whole {
				t.Errorf("%d connections for two requests", s.accepted.Load())
			}
		})
	}
}

func TestBoundHeader(t *testing.T) {
	t.Parallel()
	x := func(n int) string { return strings.Repeat("x", n) }
	for name, tt := range map[string]struct {
		given, want map[string][]string
		cut         bool
	}{
		"none":                        {nil, nil, false},
		"few":                         {map[string][]string{"A": {"1", "2"}}, map[string][]string{"A": {"1", "2"}}, false},
		"as much as is kept":          {map[string][]string{"A": {x(90)}, "B": {""}}, map[string][]string{"A": {x(90)}, "B": {""}}, false},
		"one byte more":               {map[string][]string{"A": {x(91)}, "B": {""}}, map[string][]string{"A": {x(90)}, "B": {""}}, true},
		"a long one beside short":     {map[string][]string{"A": {x(1000)}, "B": {"1"}, "C": {"2", "3"}}, map[string][]string{"A": {x(77)}, "B": {"1"}, "C": {"2", "3"}}, true},
		"no room for another":         {map[string][]string{"A": {x(95)}, "B": {x(96)}}, map[string][]string{"A": {x(95)}}, true},
		"a value of a name is cut":    {map[string][]string{"A": {x(60), x(50)}}, map[string][]string{"A": {x(50), x(40)}}, true},
		"a name that is too long":     {map[string][]string{x(200): {"1"}, "A": {"1"}}, map[string][]string{"A": {"1"}}, true},
		"of one length, in order":     {map[string][]string{"B": {x(60)}, "A": {x(60)}}, map[string][]string{"A": {x(60)}, "B": {x(30)}}, true},
		"of one length, as they came": {map[string][]string{"A": {x(59) + "1", x(59) + "2"}}, map[string][]string{"A": {x(59) + "1", x(30)}}, true},
	} {
		got, cut := boundHeader(tt.given, 100)
		if !maps.EqualFunc(got, tt.want, slices.Equal) || cut != tt.cut {
			t.Errorf("%s: %q, cut %t, want %q, %t", name, got, cut, tt.want, tt.cut)
		}
	}
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Set-Cookie", x(2*keepHeader))
		w.Header().Set("X-Request-Id", "1")
	})
	r := client(t, nil).Send(t.Context(), post(s.URL)).Response
	if size := len(r.Header["Set-Cookie"][0]); !r.HeaderTruncated || size < keepHeader/2 || size > keepHeader || r.Header["X-Request-Id"][0] != "1" {
		t.Errorf("kept %d headers, %d bytes of the longest, cut %t", len(r.Header), size, r.HeaderTruncated)
	}
}
