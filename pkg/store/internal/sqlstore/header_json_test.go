package sqlstore

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"
)

func TestHeaderIsWrittenAsByJSON(t *testing.T) {
	t.Parallel()
	bytes := rapid.Custom(func(t *rapid.T) string { return string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")) })
	text := rapid.OneOf(rapid.String(), bytes, rapid.StringMatching("[ -~]*"), rapid.StringMatching("[a-z\"\\\\<>&\u2028\x00-\x1f]*"))
	header := rapid.OneOf(
		rapid.MapOfN(text, rapid.OneOf(rapid.SliceOf(text), rapid.Just([]string(nil))), 0, 40),
		rapid.Just(map[string][]string(nil)),
	)
	rapid.Check(t, func(t *rapid.T) {
		h := header.Draw(t, "header")
		want, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		if got := headerJSON(h); string(got) != string(want) {
			t.Fatalf("%s, want %s", got, want)
		}
	})
}

// Every byte, at the beginning, in the middle and at the end.
func TestEveryByteOfAHeaderIsWrittenAsByJSON(t *testing.T) {
	t.Parallel()
	for c := range 256 {
		one := string([]byte{byte(c)})
		h := map[string][]string{one: {one, "a" + one, one + "b", "a" + one + one + "b"}}
		want, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		if got := headerJSON(h); string(got) != string(want) {
			t.Errorf("byte %#x: %s, want %s", c, got, want)
		}
	}
}

func BenchmarkHeaderJSON(b *testing.B) {
	h := map[string][]string{
		"Content-Type": {"application/json"}, "Date": {"Mon, 02 Mar 2026 10:00:00 GMT"}, "Content-Length": {"15"},
		"Etag": {`W/"f-1VHMsh4wmVbkXc9PzZ2N4iyHPHc"`}, "X-Powered-By": {"Express"},
	}
	b.Run("json.Marshal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := json.Marshal(h); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("headerJSON", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			headerJSON(h)
		}
	})
}
