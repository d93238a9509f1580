package event

import (
	"bytes"
	"math"
	"math/big"
	"strconv"
	"sync"
)

// strconv takes some 25 µs for a number that is 0 or a denormal float64, where any
// other takes 40 ns: a text of 1 MiB could hold seconds of them. Such a number is
// read here with one division of whole numbers, in about 1 µs.

const (
	// tinyMost is the power of ten below which numbers are read here, tinyLeast the
	// one below which strconv says at once that they are 0.
	tinyMost, tinyLeast = -307, -330

	// tinyDigits is how many digits are read here. strconv's time for a number grows
	// with its length beyond that, and so with that of the text.
	tinyDigits = 800

	// denormal is the exponent of the last bit of a denormal float64.
	denormal = 1074
)

// tiny returns the float64 nearest to a number that is so small, and false for any
// other number.
func (n literalShape) tiny(literal []byte) (f float64, ok bool) {
	if !n.mayBeTiny(literal) {
		return 0, false
	}
	if n.fraction == len(literal) {
		literal = append(bytes.Clone(literal), "e0"...)
	}
	text := bytes.TrimPrefix(n.normalized(literal), []byte("-")) // 0.<digits>e<point>
	digits, exponent, _ := bytes.Cut(text[len("0."):], []byte("e"))
	point, err := strconv.Atoi(string(exponent))
	if err != nil || point > tinyMost || point < tinyLeast || len(digits) > tinyDigits {
		return 0, false
	}
	whole, _ := new(big.Int).SetString(string(digits), 10)
	bits, ok := denormalBits(whole, len(digits)-point)
	if n.negative {
		bits |= 1 << 63
	}
	return math.Float64frombits(bits), ok
}

// mayBeTiny reports whether a number has an exponent or zeros before its digits that
// can make it so small.
func (n literalShape) mayBeTiny(literal []byte) bool {
	const digits = 3 // of the exponent, unless most of the number's zeros are written
	exponent := literal[n.fraction:]
	return len(exponent) >= len("e-")+digits && exponent[1] == '-' || n.fraction-n.whole > 200
}

// denormalBits returns the bits of the float64 nearest to whole / 10^k, to the even
// one of two, and false when it is not a denormal one or next to them. In units of
// the last bit of a denormal number, the bits are the number itself.
func denormalBits(whole *big.Int, k int) (uint64, bool) {
	by := powerOfFive(k)
	if shift := denormal - k; shift >= 0 {
		whole.Lsh(whole, uint(shift))
	} else {
		by = new(big.Int).Lsh(by, uint(-shift))
	}
	rest := new(big.Int)
	whole.QuoRem(whole, by, rest)
	if !whole.IsUint64() || whole.Uint64() >= 1<<53 {
		return 0, false
	}
	bits := whole.Uint64()
	if half := rest.Lsh(rest, 1).Cmp(by); half > 0 || half == 0 && bits&1 == 1 {
		bits++
	}
	return bits, true
}

// powerOfFive returns 5^k, which must not be changed.
func powerOfFive(k int) *big.Int {
	const first, last = -tinyMost, -tinyLeast + 40 // of numbers with up to 40 digits
	if k < first || k > last {
		return new(big.Int).Exp(big.NewInt(5), big.NewInt(int64(k)), nil)
	}
	return powersOfFive()[k-first]
}

//nolint:gochecknoglobals // constant once it is made
var powersOfFive = sync.OnceValue(func() (powers []*big.Int) {
	for k := -tinyMost; k <= -tinyLeast+40; k++ {
		powers = append(powers, new(big.Int).Exp(big.NewInt(5), big.NewInt(int64(k)), nil))
	}
	return powers
})
