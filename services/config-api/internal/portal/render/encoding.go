package render

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Names of the encodings in which answers are compressed.
const (
	Brotli = "br"
	Gzip   = "gzip"
)

// BrotliLevel is how hard pages are compressed: it takes as long as gzip does.
const BrotliLevel = 5

// Encoding returns how an answer to a request is compressed, "" for not at all.
// Brotli makes a page of many cards a quarter smaller than gzip does: it looks
// further back than 32 kB for what repeats. Browsers take it over https, and
// from their own machine.
func Encoding(r *http.Request) string {
	var accepted []string
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, weight, _ := strings.Cut(strings.ToLower(part), ";")
		if q, err := strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(weight), "q="), 64); err != nil || q > 0 {
			accepted = append(accepted, strings.TrimSpace(name))
		}
	}
	for _, name := range []string{Brotli, Gzip} {
		if slices.Contains(accepted, name) {
			return name
		}
	}
	return ""
}
