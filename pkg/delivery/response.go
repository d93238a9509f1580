package delivery

import (
	"bytes"
	"unicode/utf8"
)

// Response is what is kept of an answer.
type Response struct {
	Header          map[string][]string // at most 4 KiB
	HeaderTruncated bool                // more was sent than is kept
	Body            []byte              // the first 4 KiB, unpacked
	Truncated       bool                // more was sent than is kept

	// Encoding names the content encodings that could not be undone, as in a
	// Content-Encoding header: Body is then as it came. It is "" for a body that
	// was unpacked, or never packed.
	Encoding string
}

// Binary reports whether the body is nothing to read as text: it is no UTF-8,
// and still packed or with control characters that no text has. A character that
// was cut off at the end is none of this, and neither is text in another charset.
func (r Response) Binary() bool {
	return !isText(r.Body) && (r.Encoding != "" || bytes.ContainsFunc(r.Body, notInText))
}

// isText reports whether bytes are UTF-8, but for a character that is cut off at
// the end.
func isText(b []byte) bool {
	for i := 1; i < utf8.UTFMax && i <= len(b); i++ {
		if last := b[len(b)-i:]; utf8.RuneStart(last[0]) {
			if !utf8.FullRune(last) {
				b = b[:len(b)-i]
			}
			break
		}
	}
	return utf8.Valid(b)
}

// notInText reports whether a character is a control character that terminals
// and text files do not use.
func notInText(r rune) bool {
	const backspace, formFeed, escape = '\b', '\f', 0x1b
	return r < ' ' && r != '\t' && r != '\n' && r != '\r' && r != backspace && r != formFeed && r != escape
}
