package view

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Theme is how the page looks when it stands in another one.
type Theme struct {
	Scheme string // "light", "dark", or "" for what the browser prefers
	Accent string // six hexadecimal digits, or "" for the page's own
}

// ParseTheme returns a theme from what a query or a cookie says. What is not
// exactly a theme is left out.
func ParseTheme(scheme, accent string) Theme {
	var t Theme
	if scheme == "light" || scheme == "dark" {
		t.Scheme = scheme
	}
	accent = strings.ToLower(strings.TrimPrefix(accent, "#"))
	if _, ok := parseColour(accent); ok {
		t.Accent = accent
	}
	return t
}

// colour is a colour in sRGB, each part 0 to 255.
type colour [3]float64

func parseColour(hex string) (colour, bool) {
	if len(hex) != 6 {
		return colour{}, false
	}
	var c colour
	for i := range c {
		n, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		if err != nil {
			return colour{}, false
		}
		c[i] = float64(n)
	}
	return c, true
}

func (c colour) String() string {
	return fmt.Sprintf("#%02x%02x%02x", int(math.Round(c[0])), int(math.Round(c[1])), int(math.Round(c[2])))
}

// luminance is WCAG's relative luminance.
func (c colour) luminance() float64 {
	linear := func(v float64) float64 {
		if v /= 255; v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(c[0]) + 0.7152*linear(c[1]) + 0.0722*linear(c[2])
}

func contrast(a, b colour) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// readable moves c towards a colour until it has a contrast of 4.5 against
// ground, as WCAG asks of text.
func (c colour) readable(ground, towards colour) colour {
	const steps = 50
	for i := range steps {
		part := float64(i) / steps
		var mixed colour
		for j := range mixed {
			mixed[j] = c[j] + (towards[j]-c[j])*part
		}
		if contrast(mixed, ground) >= 4.6 { // rounding takes a little
			return mixed
		}
	}
	return towards
}

// StyleSheet returns the style sheet that gives the page t's accent, "" when it
// has none. The accent is made readable as text on either ground, and the text
// on it is black or white, whichever is easier to read.
func (t Theme) StyleSheet() string {
	accent, ok := parseColour(t.Accent)
	if !ok {
		return ""
	}
	black, white := colour{0, 0, 0}, colour{255, 255, 255}
	lightGround, darkGround := colour{0xf6, 0xf6, 0xf8}, colour{0x24, 0x27, 0x2e} // the least easy of each
	light, dark := accent.readable(lightGround, black), accent.readable(darkGround, white)
	on := func(fill colour) colour {
		if contrast(fill, white) >= contrast(fill, black) {
			return white
		}
		return black
	}
	return fmt.Sprintf(":root{--accent:light-dark(%s,%s);--on-accent:light-dark(%s,%s)}\n", light, dark, on(light), on(dark))
}

// ThemeOf returns the theme that a cookie keeps as "scheme-accent".
func ThemeOf(kept string) Theme {
	scheme, accent, _ := strings.Cut(kept, "-")
	return ParseTheme(scheme, accent)
}
