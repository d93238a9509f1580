package contract

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"
)

func FuzzParseText(f *testing.F) {
	for _, seed := range []string{
		`{"a":1,"a":2}`, `[1,[2]]`, `"\ud83d\ude00"`, `"\ud83d"`, `"\\ud83d"`, `1e999999999`, `{"a":`, ``, `{} {}`, `"\udc00\ud800"`, `nul`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, repeated, err := parseText(text)
		if err != nil {
			return
		}
		if !json.Valid(text) || !utf8.Valid(text) {
			t.Fatalf("%q was accepted", text)
		}
		written, err := json.Marshal(v)
		if err != nil {
			t.Fatalf("%q cannot be written again: %v", text, err)
		}
		if bytes.ContainsRune(written, utf8.RuneError) && !bytes.ContainsRune(text, utf8.RuneError) && !bytes.Contains(bytes.ToLower(text), []byte(`\ufffd`)) {
			t.Errorf("%q lost a character: %q", text, written)
		}
		if again, more, err := parseText(written); err != nil || len(more) > 0 && len(repeated) == 0 {
			t.Errorf("%q became %q, which gives %v, %v, %v", text, written, again, more, err)
		}
	})
}
