// Package view is what the settings page shows, as values: cards, rows, forms
// and explanations, made by pure functions from what manage returns and the
// time. Templates only print them.
package view

import (
	"strconv"
	"strings"
	"time"
)

// Clock is the time at which, and the zone in which, something is shown.
type Clock struct {
	Now  time.Time
	Zone *time.Location
}

// Link is a text that leads somewhere.
type Link struct {
	Text string
	URL  string
	Here bool // it is the page that is shown
}

// Count writes a number with thousands separated: 1,204.
func Count(n int64) string {
	text := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, text = "-", text[1:]
	}
	var b strings.Builder
	for i, digit := range text {
		if i > 0 && (len(text)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	return sign + b.String()
}

// Plural writes a number with its noun: "1 event", "1,204 events".
func Plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if stem, is := strings.CutSuffix(noun, "ry"); is { // delivery, recovery; not day
		return Count(n) + " " + stem + "ries"
	}
	return Count(n) + " " + noun + "s"
}
