package webhook_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/dialnote/webhooks/pkg/webhook"
)

func TestTrim(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                        "",
		"a":                       "a",
		"  a b \t\r\n":            "a b",
		"\u00a0a\u00a0":           "a", // no-break space
		"\u3000a\u2003\u202f":     "a", // ideographic space, em space, narrow no-break space
		"a\u2028\u2029\u0085\v\f": "a",
		"\ufeffa":                 "a", // byte order mark
		"\u200ba\u200b":           "a", // zero-width space
		"\u2060a\u00ad":           "a", // word joiner, soft hyphen
		"\u200ea\u200f\u061c":     "a", // marks of direction
		"\u202aa\u202c":           "a", // embedding of a direction, and its end
		"\u2066a\u2069":           "a", // isolate, and its end
		"\u200c\u200da\u200d":     "a", // joiners
		"a\ufe0f":                 "a", // variation selector
		"\U000e0061a\U000e007f":   "a", // tags
		"\u3164a\u115f\u1160":     "a", // Hangul fillers
		"\uffa0a\u2800":           "a", // half-width Hangul filler, braille blank
		"\u180ea\u034f\u2064":     "a", // Mongolian vowel separator, grapheme joiner, invisible plus
		" \ufeff \u200b a \u200b": "a",
		" \u200b\u00a0\ufeff ":    "",
		"\u200d":                  "",
		" \ufe0f\u200c":           "",
		"\u2800":                  "",
		"\u3164":                  "",

		// Inside of a text they stay.
		"a\u200bb":   "a\u200bb",
		"a \u00a0 b": "a \u00a0 b",

		// What changes its neighbour stays beside it, and only there.
		"I ❤\ufe0f":       "I ❤\ufe0f",
		" ❤\ufe0f \u200b": "❤\ufe0f",
		"❤ \ufe0f":        "❤",
		"🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f": "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
		"ه\u200d ":      "ه\u200d",
		"\u200dه":       "\u200dه",
		"\u200b\u200dه": "\u200dه",
		"क\u094d\u200d": "क\u094d\u200d",
		"é\ufeff":       "é",
		"e\u0301 ":      "e\u0301",
		"\xff \xff":     "\xff \xff", // for CheckName to refuse

		// Controls are no white space: they are refused, not passed over.
		"a\x00": "a\x00",
		"\x1ba": "\x1ba",
	} {
		if got := webhook.Trim(text); got != want {
			t.Errorf("Trim(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestNamesNeedSomethingVisible(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"\u200b", "\u2060\u2060", "\u3164", "\u2800\u2800", "\u115f\u1160", "\uffa0", "\u00ad", "\ufeff", "\u202e", "\U000e0041", "\u2061", "\ufe0f", "\u180b",
		"\u0301", "\u0301\u200d", "\u20dd", "\u034f", "\u17b4", "\U0001d159", "\U00013441", "\U0001d173", "\u200d\u0301\u200c", " \u0301 ",
	} {
		if wrong := webhook.CheckName("name", webhook.Trim(name)); len(wrong) != 1 || wrong[0].Pointer != "/name" ||
			wrong[0].Detail != "name is required." && wrong[0].Detail != "name needs a character that can be seen." {
			t.Errorf("%+q: %v", name, wrong)
		}
	}
	for _, name := range []string{
		"a", "0", "-", ".", "_", "é", "e\u0301", "ä", "名", "ע", "\u0600", "\u06dd", "👩\u200d👧", "❤\ufe0f", "1\ufe0f\u20e3", "\u0903", "|", "\u303f", "\ufffd", "\ue000",
		"\U0001faea",          // an emoji newer than Go's tables
		"\u200b\u0301a\u200b", // one letter is enough
	} {
		if wrong := webhook.CheckName("name", webhook.Trim(name)); len(wrong) > 0 {
			t.Errorf("%+q: %v", name, wrong)
		}
	}
}

func FuzzTrim(f *testing.F) {
	for _, seed := range []string{"", " a ", "\u200ba\u200d", "\u200dه\u200d ", "\ufeff", "❤\ufe0f", "\xff\u200b", "a\u0301\u200b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		kept := webhook.Trim(text)
		if webhook.Trim(kept) != kept {
			t.Fatalf("Trim(%q) = %q, and %q when it is trimmed again", text, kept, webhook.Trim(kept))
		}
		if !strings.Contains(text, kept) || utf8.ValidString(text) && !utf8.ValidString(kept) {
			t.Fatalf("Trim(%q) = %q, which is no part of it", text, kept)
		}
		if spaced := webhook.Trim(" \u200b" + text + "\u00a0\ufeff"); spaced != kept {
			t.Fatalf("Trim(%q) = %q, with spaces around it %q", text, kept, spaced)
		}
		if strings.TrimSpace(kept) != kept {
			t.Fatalf("Trim(%q) = %q, with white space", text, kept)
		}
	})
}
