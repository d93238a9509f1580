package event_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
)

// writer writes random JSON texts that reach every corner in which
// JSON.stringify(JSON.parse(text)) differs from text.
type writer struct {
	*rand.Rand
	b strings.Builder
}

// jsonText returns a random JSON text.
func jsonText(r *rand.Rand) string {
	w := writer{Rand: r}
	w.space()
	w.value(r.IntN(7))
	w.space()
	return w.b.String()
}

// jsonObject returns a random JSON object's text.
func jsonObject(r *rand.Rand) string {
	w := writer{Rand: r}
	w.object(r.IntN(5))
	return w.b.String()
}

func (w *writer) value(depth int) {
	kinds := 5
	if depth > 0 {
		kinds = 11
	}
	switch w.IntN(kinds) {
	case 0:
		w.b.WriteString([]string{"true", "false", "null"}[w.IntN(3)])
	case 1, 2:
		w.number()
	case 3, 4:
		w.text()
	case 5, 6, 7:
		w.array(depth)
	default:
		w.object(depth)
	}
}

func (w *writer) array(depth int) {
	w.b.WriteByte('[')
	w.space()
	for i := range w.IntN(5) {
		if i > 0 {
			w.b.WriteByte(',')
			w.space()
		}
		w.value(depth - 1)
		w.space()
	}
	w.b.WriteByte(']')
}

func (w *writer) object(depth int) {
	n := w.IntN(7)
	if w.IntN(40) == 0 {
		n = 30 + w.IntN(60) // beyond the comparing of pairs
	}
	var used []string
	w.b.WriteByte('{')
	w.space()
	for i := range n {
		if i > 0 {
			w.b.WriteByte(',')
			w.space()
		}
		w.key(&used)
		w.space()
		w.b.WriteByte(':')
		w.space()
		w.value(depth - 1)
		w.space()
	}
	w.b.WriteByte('}')
}

// key writes a key, one in four of them a repetition, perhaps spelled with
// other escapes.
func (w *writer) key(used *[]string) {
	if len(*used) > 0 && w.IntN(4) == 0 {
		w.spell((*used)[w.IntN(len(*used))])
		return
	}
	var key string
	switch w.IntN(6) {
	case 0: // about the end of the array indexes
		key = strconv.FormatUint(math.MaxUint32-3+uint64(w.IntN(6)), 10)
	case 1:
		key = strconv.Itoa(w.IntN(120))
	case 2: // almost an index
		key = []string{"00", "01", "-1", "-0", "1.5", "1e3", " 1", "1 ", "", "10000000000", "99999999999999999999"}[w.IntN(11)]
	case 3:
		key = []string{"__proto__", "constructor", "prototype", "toString", "toJSON", "length", "hasOwnProperty"}[w.IntN(7)]
	case 4:
		key = string(rune('a' + w.IntN(26)))
	default:
		w.text()
		return
	}
	*used = append(*used, key)
	w.spell(key)
}

// spell writes an ASCII string in one of its spellings.
func (w *writer) spell(s string) {
	w.b.WriteByte('"')
	for _, c := range s {
		if w.IntN(8) == 0 {
			w.unit(uint16(c))
			continue
		}
		w.b.WriteRune(c)
	}
	w.b.WriteByte('"')
}

func (w *writer) text() {
	w.b.WriteByte('"')
	for range w.IntN(12) {
		switch w.IntN(12) {
		case 0:
			w.b.WriteString([]string{`\"`, `\\`, `\/`, `\b`, `\f`, `\n`, `\r`, `\t`}[w.IntN(8)])
		case 1: // an escape of a character that may need none
			w.unit(uint16(w.IntN(0x90)))
		case 2:
			w.unit(uint16(w.IntN(1 << 16)))
		case 3: // half a pair, or by chance a whole one
			w.unit(0xd7f0 + uint16(w.IntN(0x820)))
		case 4: // a pair
			w.unit(0xd800 + uint16(w.IntN(0x400)))
			w.unit(0xdc00 + uint16(w.IntN(0x400)))
		case 5: // one written raw
			w.b.WriteRune(0x10000 + rune(w.IntN(0x100000)))
		case 6: // what JavaScript once ended lines at, DEL, BOM, the last characters
			w.b.WriteString([]string{"\u2028", "\u2029", "\x7f", "\ufeff", "\ufffd", "\uffff", "\u0080", "\xed\x9f\xbf", "\ue000", "<>&'"}[w.IntN(10)])
		case 7:
			w.b.WriteRune(rune(0xa0 + w.IntN(0x700)))
		default:
			c := rune(' ' + w.IntN(0x5f))
			if c == '"' || c == '\\' {
				c = '/'
			}
			w.b.WriteRune(c)
		}
	}
	w.b.WriteByte('"')
}

// unit writes \uXXXX with each digit in a random case.
func (w *writer) unit(u uint16) {
	digits := fmt.Appendf(nil, "%04x", u)
	for i, c := range digits {
		if c >= 'a' && w.IntN(2) == 0 {
			digits[i] = c - 'a' + 'A'
		}
	}
	w.b.WriteString(`\u`)
	w.b.Write(digits)
}

func (w *writer) number() {
	if w.IntN(3) == 0 {
		w.b.WriteByte('-')
	}
	switch w.IntN(9) {
	case 0:
		w.b.WriteByte('0')
	case 1:
		w.b.WriteString(strconv.Itoa(w.IntN(2000)))
	case 2: // about 2^53, and beyond
		w.b.WriteString(strconv.FormatUint(1<<53-8+uint64(w.IntN(16)), 10))
	case 3: // any float64 at all
		f := math.Abs(math.Float64frombits(w.Uint64()))
		if math.IsNaN(f) || math.IsInf(f, 0) {
			f = math.MaxFloat64
		}
		w.b.WriteString(strconv.FormatFloat(f, "efgE"[w.IntN(4)], w.IntN(22)-1, 64))
	case 4: // about the places where the exponent comes and goes
		w.b.WriteString([]string{"1e21", "999999999999999999999", "1e-6", "0.000001", "0.0000001", "0.00000123", "123456789012345680000", "1e20", "9.5e-7"}[w.IntN(9)])
	case 5: // the ends of the range, and half-way cases
		w.b.WriteString([]string{
			"5e-324", "2.4703282292062327e-324", "2.4703282292062328e-324", "2.2250738585072011e-308", "2.2250738585072014e-308",
			"1.7976931348623157e308", "1.7976931348623158e308", "1.7976931348623159e308", "1e309", "1e400", "1e-400", "1e99999", "1e-99999",
			"9007199254740993", "9007199254740992.99999999999999999999", "9007199254740993.00000000000000000000000000000000001", "1e23", "8.41e21", "4.35", "0.1e1", "5e-7",
		}[w.IntN(21)])
	case 6: // many digits
		w.digits(1 + w.IntN(40))
		w.b.WriteByte('.')
		w.anyDigits(1 + w.IntN(40))
	case 7: // few digits and an exponent
		w.digits(1 + w.IntN(4))
		if w.IntN(2) == 0 {
			w.b.WriteByte('.')
			w.anyDigits(1 + w.IntN(6))
		}
		w.b.WriteString([]string{"e", "E", "e+", "E-", "e-", "e-0", "E+00"}[w.IntN(7)])
		w.b.WriteString(strconv.Itoa(w.IntN(330)))
	default: // a decimal such as a price
		w.digits(1 + w.IntN(7))
		w.b.WriteByte('.')
		w.anyDigits(1 + w.IntN(9))
	}
}

// digits writes n digits of which the first is a 0 only when it is alone.
func (w *writer) digits(n int) {
	if w.IntN(4) == 0 {
		w.b.WriteByte('0')
		return
	}
	w.b.WriteByte('1' + byte(w.IntN(9)))
	w.anyDigits(n - 1)
}

func (w *writer) anyDigits(n int) {
	zeros := w.IntN(2) == 0
	for range n {
		if zeros && w.IntN(3) > 0 {
			w.b.WriteByte('0')
			continue
		}
		w.b.WriteByte('0' + byte(w.IntN(10)))
	}
}

func (w *writer) space() {
	if w.IntN(6) > 0 {
		return
	}
	for range w.IntN(3) {
		w.b.WriteByte(" \n\r\t"[w.IntN(4)])
	}
}

// mutated returns text with a few of its bytes changed, dropped, doubled or
// swapped: mostly no JSON any more, and often only just.
func mutated(r *rand.Rand, text string) []byte {
	b := []byte(text)
	for range 1 + r.IntN(2) {
		if len(b) == 0 {
			break
		}
		i := r.IntN(len(b))
		switch r.IntN(6) {
		case 0:
			b = append(b[:i], b[i+1:]...)
		case 1:
			b = append(b[:i+1], b[i:]...)
		case 2: // what JSON has, where it may not belong
			const tokens = "{}[]:,\"\\0123456789-+.eEtfnu/ \n"
			b[i] = tokens[r.IntN(len(tokens))]
		case 3:
			b = b[:i]
		case 4: // what JSON has not
			others := []string{"\x00", "\x1f", "\v", "\f", "\u00a0", "\ufeff", "\u2028", "'", "\x80", "\xff", "\xed\xa0\x80", "\xc0\xaf", "NaN", "//", "_"}
			b = append(b[:i:i], others[r.IntN(len(others))]+string(b[i:])...)
		default:
			j := r.IntN(len(b))
			b[i], b[j] = b[j], b[i]
		}
	}
	return b
}
