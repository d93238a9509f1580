package event_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/dialnote/webhooks/pkg/event"
)

// The property of the whole package: for any text, Canonical gives what Node
// gives, and refuses what Node refuses.
func TestCanonicalIsWhatNodeGives(t *testing.T) {
	t.Parallel()
	r := random(t)
	var texts [][]byte
	for range 30_000 {
		texts = append(texts, []byte(jsonText(r)))
	}
	for range 20_000 {
		if text := mutated(r, jsonText(r)); utf8.Valid(text) {
			texts = append(texts, text)
		}
	}
	texts = append(texts, corners()...)
	refused := 0
	for i, answer := range node(t, stringify, texts) {
		got, err := event.Canonical(texts[i])
		if answer == "refused" {
			refused++
			if err == nil {
				t.Errorf("Node refuses %q, Canonical gives %q", texts[i], got)
			}
			continue
		}
		want, decodeErr := base64.StdEncoding.DecodeString(answer)
		if decodeErr != nil {
			t.Fatalf("Node answered %q: %v", answer, decodeErr)
		}
		switch {
		case err != nil:
			t.Errorf("Node accepts %q, Canonical says: %v", texts[i], err)
		case !bytes.Equal(got, want):
			t.Errorf("text %q\nNode      %q\nCanonical %q", texts[i], want, got)
		}
	}
	t.Logf("%d texts, of which Node refused %d", len(texts), refused)
	if refused < 5_000 || refused > 20_000 {
		t.Errorf("Node refused %d texts: the generators no longer make both kinds", refused)
	}
}

// corners are texts that random ones do not reach.
func corners() [][]byte {
	texts := []string{
		"", " ", "\ufeff1", "1\ufeff", "{}x", "[1,]", `{"a":1,}`, `{,}`, "[,1]", "{'a':1}", "{a:1}", "tru", "truex", "nul", "NaN", "Infinity", "-", "-a", "+1", ".5", "1.", "1.e5", "1e", "1e+", "01", "-01", "0x10", "1_000", `"`, `"\`, `"\u12`, `"\u123g"`, `"\x41"`, `"\U0041"`, "\"\t\"", "\"\x1f\"", "\"\x7f\"", `"a" "b"`, "[", "{", `{"a"`, `{"a":`, `{"a":1`, "]", "}", "[1}", "\x00", "1\x00", "\v1", "\u00a01",
		// An exponent and a fraction or whole part that make up for each other.
		"0." + strings.Repeat("0", 20_000) + "123e20001",
		"0." + strings.Repeat("0", 120_000) + "5e120001",
		"-1" + strings.Repeat("0", 120_000) + "e-119999",
		"7" + strings.Repeat("3", 2_000) + "e-12345", "0.0000e99999999999999999999", "-0e-99999", "1e-99999999999999999999", "-1e+99999999999999999999", "1e000000000000000003", "1e-00000000003", "12e00000", "0" + ".5e00001",
		// Digits beyond what any reader keeps decide a half-way case.
		"9007199254740993" + strings.Repeat("0", 900) + "e-900", "9007199254740993." + strings.Repeat("0", 900) + "1", "9007199254740993." + strings.Repeat("0", 5_000) + "1e00000",
		"[" + strings.Repeat("[", 400) + strings.Repeat("]", 400) + "]",
		strings.Repeat(`{"b":1,"0":`, 300) + "1" + strings.Repeat("}", 300),
	}
	out := make([][]byte, len(texts))
	for i, text := range texts {
		out[i] = []byte(text)
	}
	return out
}

func TestCanonicalRefusesInvalidUTF8(t *testing.T) {
	t.Parallel()
	r := random(t)
	tried := 0
	for tried < 2_000 {
		text := mutated(r, jsonText(r))
		if utf8.Valid(text) {
			continue
		}
		tried++
		if got, err := event.Canonical(text); err == nil {
			t.Errorf("Canonical(%q) = %q", text, got)
		}
	}
}

func TestCanonicalSaysWhere(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]event.SyntaxError{
		"":                 {Offset: 0, Problem: "the text ends where a value was expected"},
		`{"a" 1}`:          {Offset: 5, Problem: "expected a colon"},
		`{"a":1 "b":2}`:    {Offset: 7, Problem: "expected a comma or }"},
		`[1 2]`:            {Offset: 3, Problem: "expected a comma or ]"},
		`[1,`:              {Offset: 3, Problem: "the text ends where a value was expected"},
		`{"a":1,}`:         {Offset: 7, Problem: "expected a key in double quotes"},
		`01`:               {Offset: 1, Problem: "expected the end of the text"},
		`-x`:               {Offset: 1, Problem: "expected a digit"},
		`"abc`:             {Offset: 0, Problem: "the string that begins here has no end"},
		"\"ab\xff\"":       {Offset: 3, Problem: "the text is not valid UTF-8"},
		"\"\xed\xa0\x80\"": {Offset: 1, Problem: "the text is not valid UTF-8"},
		`"a\q"`:            {Offset: 2, Problem: "this is not an escape that JSON knows"},
		`"\ud83g"`:         {Offset: 1, Problem: `\u must be followed by four hexadecimal digits`},
		`"\`:               {Offset: 1, Problem: "the text ends within an escape"},
		"\"a\nb\"":         {Offset: 2, Problem: `a control character inside a string must be written as an escape such as \n`},
	} {
		_, err := event.Canonical([]byte(text))
		got, ok := errors.AsType[*event.SyntaxError](err)
		if !ok || *got != want {
			t.Errorf("Canonical(%q): %v, want %v", text, err, &want)
		}
	}
}

func TestCanonicalBoundsDepth(t *testing.T) {
	t.Parallel()
	nested := func(levels int) []byte {
		return []byte(strings.Repeat("[", levels) + strings.Repeat("]", levels))
	}
	if _, err := event.Canonical(nested(event.MaxCanonicalDepth)); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	if _, err := event.Canonical(nested(event.MaxCanonicalDepth + 1)); !errors.Is(err, event.ErrTooDeep) {
		t.Errorf("above the limit: %v", err)
	}
	wide := []byte("[" + strings.Repeat("[[]],", 5_000) + "1]")
	if _, err := event.Canonical(wide); err != nil {
		t.Errorf("levels that were left count: %v", err)
	}
}

func FuzzCanonical(f *testing.F) {
	for _, text := range corners() {
		if len(text) < 500 {
			f.Add(text)
		}
	}
	f.Add([]byte(`{"b":[1.50,-0,1E400],"2":"\u0041\ud83d\ude00\uD800","1":{},"b":"\/"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		first, err := event.Canonical(text)
		if err != nil {
			if json.Valid(text) && utf8.Valid(text) && !errors.Is(err, event.ErrTooDeep) {
				t.Fatalf("%q is JSON, Canonical says: %v", text, err)
			}
			return
		}
		if !json.Valid(text) {
			t.Fatalf("%q is no JSON, Canonical gives %q", text, first)
		}
		if !json.Valid(first) || !utf8.Valid(first) {
			t.Fatalf("Canonical(%q) = %q, which is no JSON", text, first)
		}
		again, err := event.Canonical(first)
		if err != nil || !bytes.Equal(first, again) {
			t.Fatalf("Canonical(%q) = %q, and of that %q, %v", text, first, again, err)
		}
	})
}
