package cli

import (
	"fmt"
	"io"
	"unicode/utf8"
)

// Printable returns a writer that passes text on to w with everything escaped that a
// terminal would obey and not show: control characters but for the ends of lines and
// tabs, marks that change the direction of writing, and what is not UTF-8. Commands
// print what customers and publishers wrote. A character has to be in one Write.
func Printable(w io.Writer) io.Writer { return printable{w} }

type printable struct{ w io.Writer }

// Write implements io.Writer.
func (p printable) Write(text []byte) (int, error) {
	if _, err := p.w.Write(escaped(text)); err != nil {
		return 0, fmt.Errorf("print: %w", err)
	}
	return len(text), nil
}

// escaped returns the text itself when nothing in it has to be escaped.
func escaped(text []byte) []byte {
	var out []byte // nil until something was escaped
	for at := 0; at < len(text); {
		r, size := utf8.DecodeRune(text[at:])
		switch {
		case r == utf8.RuneError && size == 1:
			out = fmt.Appendf(begun(out, text[:at]), `\x%02x`, text[at])
		case obeyed(r):
			out = fmt.Appendf(begun(out, text[:at]), `\u%04x`, r)
		case out != nil:
			out = append(out, text[at:at+size]...)
		}
		at += size
	}
	if out == nil {
		return text
	}
	return out
}

// begun returns out, or when nothing was escaped yet a copy of what came before.
func begun(out, before []byte) []byte {
	if out == nil {
		return append(make([]byte, 0, 2*len(before)+8), before...)
	}
	return out
}

// obeyed reports whether a terminal does something for a character other than show
// it.
func obeyed(r rune) bool {
	switch {
	case r == '\n', r == '\t':
		return false
	case r < ' ', r >= 0x7f && r <= 0x9f: // C0, delete, C1
		return true
	case r == 0x61c, r == 0x200e, r == 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2066 && r <= 0x2069: // direction, ends of lines
		return true
	}
	return false
}
