package view

import (
	"strings"

	"github.com/dialnote/webhooks/pkg/delivery"
)

// Curl returns a command that makes a request again, with the same bytes and
// the same signatures, for a shell like bash. Without its two flags curl takes
// square brackets for a pattern of URLs, and resolves /../ in a path.
func Curl(r delivery.Request) string {
	lines := []string{"curl -X POST " + quoted(r.URL), "--globoff --path-as-is"}
	for _, h := range headerLines(r.Header) {
		lines = append(lines, "-H "+quoted(h.Name+": "+h.Value))
	}
	if r.Body != nil {
		lines = append(lines, "--data-binary "+quoted(string(r.Body)))
	}
	return strings.Join(lines, " \\\n  ")
}

// quoted returns a text as one word of a shell, whatever it holds. curl reads
// a file for data that begins with @; a payload begins with {.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
