package endpoint_test

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/dialnote/webhooks/pkg/endpoint"
)

// sent returns what is requested of the host when a URL is https://example.com
// followed by typed.
func sent(tb testing.TB, typed string) string {
	tb.Helper()
	u, err := endpoint.Normal("https://example.com" + typed)
	if err != nil {
		tb.Fatalf("Normal(%q): %v", typed, err)
	}
	if text := "https://example.com" + u.RequestURI(); u.String() != text {
		tb.Fatalf("%q is requested as %q and shown as %q", typed, text, u)
	}
	return u.RequestURI()
}

func TestPathAndQueryAsSent(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"":   "/",
		"?":  "/?",
		"/?": "/?",

		// Escapes stay, in the case that was typed, beside bytes that are escaped.
		"/a%2Fb/|c":              "/a%2Fb/%7Cc",
		"/a%2fb/|c":              "/a%2fb/%7Cc",
		"/café/x%2By":            "/caf%C3%A9/x%2By",
		"/caf%c3%a9/x%2by/é":     "/caf%c3%a9/x%2by/%C3%A9",
		"/%7e/~/ü":               "/%7e/~/%C3%BC",
		"/%7C|%7c":               "/%7C%7C%7c",
		"/%25|%":                 "", // refused: % alone
		"/%252F|":                "/%252F%7C",
		"/%3F%23|?x":             "/%3F%23%7C?x",
		"/%20|%0A":               "/%20%7C%0A",
		"/%00|":                  "/%00%7C",
		"/%FF|":                  "/%FF%7C", // no UTF-8, and none is needed
		"/a%5Cb|":                "/a%5Cb%7C",
		"/hook%3Fid%3D1|":        "/hook%3Fid%3D1%7C",
		"/:@!$&'()*+,;=-._~[]|é": "/:@!$&'()*+,;=-._~[]%7C%C3%A9",
		"/\"<>^`{|}":             "/%22%3C%3E%5E%60%7B%7C%7D",
		"/😀/%F0%9F%98%80":        "/%F0%9F%98%80/%F0%9F%98%80",
		"/a\u200db":              "/a%E2%80%8Db",

		// Segments stay: a receiver may tell them apart.
		"/a/../b|":         "/a/../b%7C",
		"/./a/.":           "/./a/.",
		"/%2e%2E/a|":       "/%2e%2E/a%7C",
		"//":               "//",
		"//evil.example/|": "//evil.example/%7C",
		"/a//b///":         "/a//b///",
		"/;v=1/a;b|":       "/;v=1/a;b%7C",
		"/*":               "/*",

		// Queries, too.
		"/?a=b+c%20d;e|f":       "/?a=b+c%20d;e%7Cf",
		"/?a=%2B%2b%26%3D":      "/?a=%2B%2b%26%3D",
		"/?%zz&100%&%&%e":       "/?%zz&100%&%&%e",
		"/?q=ü%C3%bc":           "/?q=%C3%BC%C3%bc",
		"/?a[]=1&a[b]={c}":      "/?a[]=1&a[b]=%7Bc%7D",
		"/?a/b?c=/../?":         "/?a/b?c=/../?",
		"/?:@!$&'()*+,;=-._~":   "/?:@!$&'()*+,;=-._~",
		"/?\"<>^`":              "/?%22%3C%3E%5E%60",
		"/?u=https://x.de/?a=b": "/?u=https://x.de/?a=b",
		"/??":                   "/??",
		"/?=&&=":                "/?=&&=",
		"?x|":                   "/?x%7C",
		"/é?é%C3%A9%C3%A9|%2F":  "/%C3%A9?%C3%A9%C3%A9%C3%A9%7C%2F",
	} {
		if want == "" {
			if _, err := endpoint.Normal("https://example.com" + typed); err == nil {
				t.Errorf("Normal(%q) accepts", typed)
			}
			continue
		}
		if got := sent(t, typed); got != want {
			t.Errorf("%q is sent as %q, want %q", typed, got, want)
		}
	}
}

// mayStand are the bytes that RFC 3986 allows in a path or a query, the percent
// sign of an escape, and square brackets.
const mayStand = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/?%[]"

// checkEscapes fails when a byte that may stand is not sent as it was typed, or
// another is sent as anything but its escape.
func checkEscapes(tb testing.TB, typed, sent string) {
	tb.Helper()
	rest := sent
	for i := range len(typed) {
		want := typed[i : i+1]
		if !strings.Contains(mayStand, want) {
			want = fmt.Sprintf("%%%02X", typed[i])
		}
		var as bool
		if rest, as = strings.CutPrefix(rest, want); !as {
			tb.Fatalf("%q is sent as %q: byte %d is not sent as %q", typed, sent, i, want)
		}
	}
	if rest != "" {
		tb.Fatalf("%q is sent as %q: the end %q was not typed", typed, sent, rest)
	}
}

// splitTyped returns path and query of an accepted URL as they were typed.
func splitTyped(raw string) (path, query string) {
	_, rest, _ := strings.Cut(raw, "://")
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		rest = rest[i:]
	} else {
		rest = ""
	}
	path, query, _ = strings.Cut(rest, "?")
	return path, query
}

// checkSent checks everything that holds for the path and query of a URL that
// was typed and the one that is sent.
func checkSent(tb testing.TB, raw string, normal *url.URL) {
	tb.Helper()
	typedPath, typedQuery := splitTyped(raw)
	if typedPath == "" {
		typedPath = "/"
	}
	path, query, _ := strings.Cut(normal.RequestURI(), "?")
	checkEscapes(tb, typedPath, path)
	checkEscapes(tb, typedQuery, query)
	meant, err := url.PathUnescape(typedPath)
	if err != nil {
		tb.Fatalf("%q is accepted: %v", raw, err)
	}
	if got, err := url.PathUnescape(path); err != nil || got != meant || normal.Path != meant {
		tb.Fatalf("%q means the path %q, and is sent as %q (Path %q), %v", raw, meant, got, normal.Path, err)
	}
}

// random returns a generator with a new seed, or the one in TEST_SEED. The seed
// is printed when the test fails.
func random(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if given := os.Getenv("TEST_SEED"); given != "" {
		var err error
		if seed, err = strconv.ParseUint(given, 10, 64); err != nil {
			t.Fatalf("TEST_SEED: %v", err)
		}
	}
	t.Logf("to repeat: TEST_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// pathAndQuery returns a random path with or without a query, made of parts.
func pathAndQuery(r *rand.Rand, parts []string) string {
	var b strings.Builder
	text := func() {
		for range r.IntN(8) {
			b.WriteString(parts[r.IntN(len(parts))])
		}
	}
	b.WriteByte('/')
	text()
	if r.IntN(2) == 0 {
		b.WriteByte('?')
		text()
	}
	return b.String()
}

func TestWhatMayStandStays(t *testing.T) {
	t.Parallel()
	r := random(t)
	parts := []string{
		"/", "//", "%2F", "%2f", "%25", "%7e", "%C3%A9", "%ff", "%00", ".", "..", "%2e", "é", "😀", "|", "^", "`", "{", "}", "\"", "<", ">",
		"a", "Z", "0", "-", "_", "~", "!", "$", "&", "'", "(", ")", "*", "+", ",", ";", "=", ":", "@", "[", "]", "\u200d",
	}
	for range 20_000 {
		raw := "https://example.com" + pathAndQuery(r, parts)
		normal, err := endpoint.Normal(raw)
		if err != nil {
			t.Fatalf("Normal(%q): %v", raw, err)
		}
		checkSent(t, raw, normal)
		twice, err := endpoint.Normal(normal.String())
		if err != nil || twice.String() != normal.String() {
			t.Fatalf("Normal(%q) = %q, %v", normal, twice, err)
		}
	}
}

func FuzzEscapes(f *testing.F) {
	for _, seed := range []string{"", "/", "/a%2Fb/|c", "/café/x%2By", "?a=%zz&b=|", "/%", "//x/../y?", "/[]{}^`?[]{}^`'\"<>", "/%C3%a9/é?é+%20;%"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		if typed != "" && typed[0] != '/' && typed[0] != '?' {
			typed = "/" + typed // not a part of the host
		}
		raw := "https://example.com" + typed
		normal, err := endpoint.Normal(raw)
		if err != nil {
			return
		}
		checkSent(t, raw, normal)
		if len(normal.String()) > endpoint.MaxURLBytes {
			return // escaping made it longer than a URL may be typed
		}
		twice, err := endpoint.Normal(normal.String())
		if err != nil || twice.String() != normal.String() {
			t.Fatalf("Normal(%q) = %q, %v", normal, twice, err)
		}
	})
}
