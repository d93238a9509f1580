package event

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// reporter is what rapid.T and testing.T have in common here.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
}

// wantDouble fails the test unless a number is read as strconv reads it.
func wantDouble(t reporter, literal string) {
	t.Helper()
	p := &parser{in: []byte(literal)}
	n, err := p.scanNumber()
	if err != nil || p.pos != len(literal) {
		t.Errorf("%q is no number: %v", literal, err)
		return
	}
	want, _ := strconv.ParseFloat(literal, 64)
	if got := n.double([]byte(literal)); math.Float64bits(got) != math.Float64bits(want) {
		t.Errorf("%q is %v (%x), want %v (%x)", literal, got, math.Float64bits(got), want, math.Float64bits(want))
	}
}

func TestTinyNumbers(t *testing.T) {
	t.Parallel()
	for _, literal := range []string{
		"1e-320", "-1e-320", "4.9e-324", "5e-324", "2.4703282292062327e-324", "2.4703282292062328e-324", "-2.4703282292062328e-324",
		"2.470328229206232720882843964341106861825299013071623822127928412503377536351043e-324", // just below half of the least
		"7.4109846876186981626485318930233205854758970392148714663837852375101326090531312779794975454245398856969484704316857659638998506553390969459816219401617281718945106978546710679176872575177347315553307795408549809608457500958111373034747658096871009590975442271004757307809711118935784838675653998783503015228055934046593739791790738723868299395818481660169122019456499931289798411362062484498678713572180352209017023903285791732520220528974020802906854021606612375549983402671300035812486479041385743401875520901590172592547146296175134159774938718574737870961645638908718119841271673056017045493004705269590165763776884908267986972573366521765567941072508764337560846003984904972149117463085539556354188641513168478436313080237596295773983001708984374e-324",
		"2.2250738585072011e-308", "2.2250738585072014e-308", "2.225073858507201e-308", "4.4501477170144023e-308", "4.4501477170144028e-308", "1e-307", "9.99e-308",
		"0." + strings.Repeat("0", 319) + "1", "0." + strings.Repeat("0", 306) + "1", "0." + strings.Repeat("0", 320) + strings.Repeat("7", 500),
		"0." + strings.Repeat("0", 320) + strings.Repeat("7", 900), strings.Repeat("7", 300) + "e-620", strings.Repeat("7", 300) + "e-608",
		"1000e-324", "0e-320", "-0.000e-330", "1e-330", "1e-331", "9e-325", "1e-99999", "123456789012345678e-340",
	} {
		wantDouble(t, literal)
	}
}

func TestTinyNumbersAreReadAsStrconvReadsThem(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		digits := rapid.StringMatching(`[1-9][0-9]{0,60}`).Draw(t, "digits")
		wantDouble(t, fmt.Sprintf("%se%d", digits, rapid.IntRange(-340, -300).Draw(t, "exponent")-len(digits)))
	})
	rapid.Check(t, func(t *rapid.T) { // right between two neighbours, and beside that
		bits := rapid.Uint64Range(0, 1<<53+2).Draw(t, "bits")
		text := halfway(bits)
		wantDouble(t, text)
		wantDouble(t, strings.Replace(text, "e", "1e", 1))
		wantDouble(t, text[:len(text)/2]+text[strings.IndexByte(text, 'e'):])
	})
}

// halfway returns all digits of the number between a denormal float64 and the next:
// (2*bits+1) / 2^1075, which is (2*bits+1) * 5^1075 with its point moved.
func halfway(bits uint64) string {
	odd := new(big.Int).SetUint64(2*bits + 1)
	text := odd.Mul(odd, powerOfFive(denormal+1)).String()
	return text[:1] + "." + text[1:] + fmt.Sprintf("e%d", len(text)-1-(denormal+1))
}

func BenchmarkTiny(b *testing.B) {
	for _, literal := range []string{"1e-320", "2.2250738585072011e-308", "0." + strings.Repeat("0", 320) + strings.Repeat("7", 400)} {
		text := "[" + strings.Repeat(literal+",", 1000) + "1]"
		b.Run(literal[:6], func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, err := Canonical([]byte(text)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
