package event

import (
	"unicode/utf16"
	"unicode/utf8"
)

const lowerHex = "0123456789abcdef"

// text reads a string and writes it as JSON.stringify does: escaped only where
// it must be. Runs that need no change are copied whole.
func (p *parser) text() error {
	run, i := p.pos, p.pos+1
	for i < len(p.in) {
		c := p.in[i]
		switch {
		case c == '"':
			p.out = append(p.out, p.in[run:i+1]...)
			p.pos = i + 1
			return nil
		case c == '\\':
			p.out = append(p.out, p.in[run:i]...)
			next, err := p.escape(i)
			if err != nil {
				return err
			}
			run, i = next, next
		case c < ' ':
			return &SyntaxError{Offset: i, Problem: `a control character inside a string must be written as an escape such as \n`}
		case c < utf8.RuneSelf:
			i++
		default:
			r, size := utf8.DecodeRune(p.in[i:])
			if r == utf8.RuneError && size == 1 {
				return &SyntaxError{Offset: i, Problem: "the text is not valid UTF-8"}
			}
			i += size
		}
	}
	return &SyntaxError{Offset: p.pos, Problem: "the string that begins here has no end"}
}

// escape writes what the escape at i stands for and returns the place after it.
func (p *parser) escape(i int) (int, error) {
	if i+1 == len(p.in) {
		return 0, &SyntaxError{Offset: i, Problem: "the text ends within an escape"}
	}
	switch c := p.in[i+1]; c {
	case '"', '\\', 'b', 'f', 'n', 'r', 't':
		p.out = append(p.out, '\\', c)
	case '/':
		p.out = append(p.out, '/')
	case 'u':
		return p.unicodeEscape(i)
	default:
		return 0, &SyntaxError{Offset: i, Problem: "this is not an escape that JSON knows"}
	}
	return i + 2, nil
}

// unicodeEscape is escape for \uXXXX: one UTF-16 code unit, or two of them when
// they pair up. A surrogate alone stays escaped, as in well-formed
// JSON.stringify.
func (p *parser) unicodeEscape(i int) (int, error) {
	unit, ok := codeUnit(p.in[i:])
	if !ok {
		return 0, &SyntaxError{Offset: i, Problem: `\u must be followed by four hexadecimal digits`}
	}
	i += 6
	if !utf16.IsSurrogate(unit) {
		p.out = appendEscaped(p.out, unit)
		return i, nil
	}
	if low, ok := codeUnit(p.in[i:]); ok {
		if pair := utf16.DecodeRune(unit, low); pair != utf8.RuneError {
			p.out = utf8.AppendRune(p.out, pair)
			return i + 6, nil
		}
	}
	p.out = appendUnit(p.out, unit)
	return i, nil
}

// codeUnit returns the code unit of a text that begins with \uXXXX.
func codeUnit(text []byte) (rune, bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	var unit rune
	for _, c := range text[2:6] {
		switch {
		case isDigit(c):
			unit = unit<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			unit = unit<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return unit, true
}

// appendEscaped appends a character that is no surrogate, escaped where
// JSON.stringify escapes it.
func appendEscaped(dst []byte, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(dst, '\\', byte(r))
	case '\b':
		return append(dst, `\b`...)
	case '\f':
		return append(dst, `\f`...)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	if r < ' ' {
		return appendUnit(dst, r)
	}
	return utf8.AppendRune(dst, r)
}

// appendUnit appends a code unit as \uxxxx in lower case.
func appendUnit(dst []byte, unit rune) []byte {
	return append(dst, '\\', 'u',
		lowerHex[unit>>12&15], lowerHex[unit>>8&15], lowerHex[unit>>4&15], lowerHex[unit&15])
}

// appendText appends a string, which must be valid UTF-8, as JSON.stringify
// writes it.
func appendText(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for _, r := range s {
		dst = appendEscaped(dst, r)
	}
	return append(dst, '"')
}
