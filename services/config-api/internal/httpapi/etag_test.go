package httpapi

import (
	"strings"
	"testing"

	"github.com/dialnote/webhooks/pkg/fault"
)

func FuzzIfMatch(f *testing.F) {
	for _, seed := range []string{`"1"`, `*`, `"1", "2"`, `W/"1"`, `"`, `"1",`, `1`, `"9223372036854775808"`, "\"\x00\"", `"a","b" , W/"c"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		versions, err := ifMatch(&header)
		if err != nil {
			if !fault.Is(err, fault.Malformed) {
				t.Errorf("%q: %v", header, err)
			}
			return
		}
		if versions.Any() != (strings.TrimSpace(header) == "*") {
			t.Errorf("%q allows any version", header)
		}
	})
}

func FuzzETagRoundTrip(f *testing.F) {
	f.Add(int64(1))
	f.Add(int64(-1))
	f.Fuzz(func(t *testing.T, version int64) {
		if got, ok := versionOf(etag(version)); !ok || got != version {
			t.Errorf("%d came back as %d, %v", version, got, ok)
		}
	})
}

func FuzzCursor(f *testing.F) {
	for _, seed := range []string{"", "MXdoX3g", "====", "AA", "\x00", "MQ", "M\rX0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		after, err := decodeCursor(&cursor)
		if err != nil {
			if !fault.Is(err, fault.Malformed) {
				t.Errorf("%q: %v", cursor, err)
			}
			return
		}
		again := encodeCursor(after)
		if again == nil || *again != cursor {
			t.Errorf("%q stands for %q, whose cursor is another", cursor, after)
		}
	})
}

func FuzzIdempotencyKey(f *testing.F) {
	for _, seed := range []string{"k", `"k"`, `""`, `"`, "a b", `a"b`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		key, err := idempotencyKey(header)
		if err == nil && (key == "" || len(key) > 255 || strings.ContainsAny(key, "\"\\ \r\n\x00")) {
			t.Errorf("%q gave the key %q", header, key)
		}
	})
}
