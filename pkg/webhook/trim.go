package webhook

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Trim returns a name, a URL, or a header's name or value as it is kept: without
// the white space and the invisible characters around it, which come with text
// that was pasted and which a person cannot see to remove. An invisible
// character that changes the one beside it stays, as in emoji and in Persian.
func Trim(text string) string {
	start := len(text) - len(strings.TrimLeftFunc(text, invisible))
	end := start + len(strings.TrimRightFunc(text[start:], invisible))
	core := text[start:end]
	if core == "" {
		return ""
	}
	if r, _ := utf8.DecodeRuneInString(core); r >= utf8.RuneSelf {
		start = len(strings.TrimRightFunc(text[:start], attached))
	}
	if r, _ := utf8.DecodeLastRuneInString(core); r >= utf8.RuneSelf {
		end = len(text) - len(strings.TrimLeftFunc(text[end:], attached))
	}
	return text[start:end]
}

// attached reports whether an invisible character belongs to a character beside
// it: a joiner, a variation selector, or one of the tags that end the flags of
// countries' parts. None of them changes a character of ASCII.
func attached(r rune) bool {
	const nonJoiner, joiner, firstTag, lastTag = '\u200c', '\u200d', '\U000e0020', '\U000e007f'
	return r == nonJoiner || r == joiner || r >= firstTag && r <= lastTag || unicode.Is(unicode.Variation_Selector, r)
}

// invisible reports whether a character shows nothing, wherever it stands: white
// space, and what Unicode calls default ignorable. To these come the letters and
// symbols that are drawn blank.
func invisible(r rune) bool {
	switch r {
	case '\u2800', // braille pattern blank
		'\U0001d159',               // musical symbol null notehead
		'\U00013441', '\U00013442': // Egyptian hieroglyph full and half blank
		return true
	}
	return unicode.IsSpace(r) ||
		unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) ||
		unicode.Is(unicode.Cf, r) && !unicode.Is(unicode.Prepended_Concatenation_Mark, r)
}

// visible reports whether a character shows something by itself, which a
// combining mark does not. Characters that are newer than Go's tables do.
func visible(r rune) bool {
	return !invisible(r) && !unicode.In(r, unicode.Mn, unicode.Me, unicode.Cc)
}
