package event

import (
	"math"
	"strconv"
)

// exactDigits is the number of decimal digits that a float64 always keeps: two
// different decimals of so many digits are never the same float64. A literal
// of at most so many digits is therefore already the shortest one.
const exactDigits = 15

// maxWholeDigits is how many digits before the point strconv is trusted with.
const maxWholeDigits = 400

// number reads a number and writes it as JavaScript writes the float64 that it
// stands for.
func (p *parser) number() error {
	start := p.pos
	n, err := p.scanNumber()
	if err != nil {
		return err
	}
	literal := p.in[start:p.pos]
	if n.canonical(literal) {
		p.out = append(p.out, literal...)
		return nil
	}
	p.out = appendDouble(p.out, n.double(literal))
	return nil
}

// literalShape says where the parts of a number literal end. Its sign is at 0
// when whole is 1 past the first digit.
type literalShape struct {
	negative bool
	whole    int // end of the digits before the point
	fraction int // end of the digits after it; whole when there are none
}

func (p *parser) scanNumber() (literalShape, error) {
	var n literalShape
	start := p.pos
	if p.in[p.pos] == '-' {
		n.negative = true
		p.pos++
	}
	if p.peek() == '0' {
		p.pos++
	} else if err := p.digits(); err != nil {
		return n, err
	}
	n.whole = p.pos - start
	n.fraction = n.whole
	if p.peek() == '.' {
		p.pos++
		if err := p.digits(); err != nil {
			return n, err
		}
		n.fraction = p.pos - start
	}
	if p.peek()|0x20 == 'e' {
		p.pos++
		if c := p.peek(); c == '+' || c == '-' {
			p.pos++
		}
		return n, p.digits()
	}
	return n, nil
}

// digits reads one digit or more.
func (p *parser) digits() error {
	if !isDigit(p.peek()) {
		return p.unexpected("a digit")
	}
	for isDigit(p.peek()) {
		p.pos++
	}
	return nil
}

// canonical reports whether JavaScript would write the number as it stands. It
// may miss some, but never claims wrongly.
func (n literalShape) canonical(literal []byte) bool {
	if n.fraction != len(literal) || len(literal) > exactDigits {
		return false
	}
	zero := literal[n.whole-1] == '0' && (n.whole == 1 || n.whole == 2 && n.negative)
	if n.fraction == n.whole {
		return !zero || !n.negative
	}
	if literal[len(literal)-1] == '0' {
		return false
	}
	// Below 1e-6 JavaScript writes an exponent.
	decimals := literal[n.whole+1:]
	return !zero || len(decimals) < 7 || string(decimals[:6]) != "000000"
}

// double returns the float64 nearest to the number, an infinity when it is out
// of range.
func (n literalShape) double(literal []byte) float64 {
	if f, ok := n.tiny(literal); ok {
		return f
	}
	if exponent := len(literal) - n.fraction; exponent > len("e-9999") || exponent > 0 && n.whole > maxWholeDigits {
		literal = n.normalized(literal)
	}
	// The only error there can be is of the range, and the result says it.
	f, _ := strconv.ParseFloat(string(literal), 64)
	return f
}

// normalized returns a literal of the same number that strconv reads rightly:
// all digits after the point and an exponent of at most four digits. (A number
// that needs more is 0 or infinite.) As of Go 1.26 strconv stops reading an
// exponent after five digits, and forgets the weight of digits before the
// point beyond the 800th.
func (n literalShape) normalized(literal []byte) []byte {
	const beyond = 5000 // any float64 with such an exponent is 0 or infinite
	short := make([]byte, 0, n.fraction+len("-0.e-5000"))
	if n.negative {
		short = append(short, '-')
	}
	short = append(short, '0', '.')
	point, significant := int64(0), false // the number is 0.<digits> times ten to the point
	for i, c := range literal[:n.fraction] {
		if !isDigit(c) {
			continue
		}
		significant = significant || c != '0'
		switch {
		case significant:
			short = append(short, c)
			if i < n.whole {
				point++
			}
		case i > n.whole:
			point--
		}
	}
	if !significant {
		return append(short, '0')
	}
	point = max(-beyond, min(beyond, point+saturated(literal[n.fraction+1:])))
	return strconv.AppendInt(append(short, 'e'), point, 10)
}

// saturated returns the value of an exponent's text, held within a limit that
// is far above the length of any text, so that no fraction can make up for it.
func saturated(text []byte) int64 {
	const limit = int64(1 << 40)
	value := int64(0)
	for _, c := range text {
		if isDigit(c) {
			value = min(limit, value*10+int64(c-'0'))
		}
	}
	if text[0] == '-' {
		return -value
	}
	return value
}

// appendDouble appends f as JSON.stringify writes it: Number::toString of
// ECMAScript, without the sign of a zero, and null for what is not finite.
func appendDouble(dst []byte, f float64) []byte {
	abs := math.Abs(f)
	switch {
	case math.IsInf(f, 0):
		return append(dst, "null"...)
	case f == 0:
		return append(dst, '0')
	case abs >= 1e-6 && abs < 1e21:
		return strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
	dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
	// strconv writes at least two digits of exponent, JavaScript no leading zero.
	if n := len(dst); dst[n-2] == '0' && !isDigit(dst[n-3]) {
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}
