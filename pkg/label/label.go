// Package label is the rule of the names that people give to things: webhooks,
// API keys, and themselves.
package label

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/dialnote/webhooks/pkg/fault"
)

// Max is the greatest length of a name in Unicode code points, counted after
// trimming (help page: "up to 100 characters").
const Max = 100

// Trim returns a name as it is kept: without the white space around it.
func Trim(name string) string { return strings.TrimSpace(name) }

// Check returns what is wrong with a trimmed name in a field of a request, nil
// when nothing is.
func Check(field, name string) []fault.Field {
	wrong := func(format string, args ...any) []fault.Field {
		return []fault.Field{{Pointer: "/" + field, Detail: field + fmt.Sprintf(format, args...)}}
	}
	switch n := utf8.RuneCountInString(name); {
	case !utf8.ValidString(name):
		return wrong(" is not valid UTF-8.")
	case n == 0:
		return wrong(" is required.")
	case n > Max:
		return wrong(" is too long: %d characters, at most %d.", n, Max)
	case strings.ContainsFunc(name, unicode.IsControl):
		return wrong(" must not contain control characters, such as line breaks or tabs.")
	}
	return nil
}
