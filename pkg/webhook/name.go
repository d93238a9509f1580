package webhook

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/dialnote/webhooks/pkg/fault"
)

// MaxName is the greatest length of a name in Unicode code points, counted after
// trimming (help page: "up to 100 characters"). The names of API keys and of
// people follow the same rule.
const MaxName = 100

// CheckName returns what is wrong with a trimmed name in a field of a request,
// nil when nothing is.
func CheckName(field, name string) []fault.Field {
	wrong := func(format string, args ...any) []fault.Field {
		return []fault.Field{{Pointer: "/" + field, Detail: field + fmt.Sprintf(format, args...)}}
	}
	switch n := utf8.RuneCountInString(name); {
	case !utf8.ValidString(name):
		return wrong(" is not valid UTF-8.")
	case n == 0:
		return wrong(" is required.")
	case n > MaxName:
		return wrong(" is too long: %d characters, at most %d.", n, MaxName)
	case strings.ContainsFunc(name, unicode.IsControl):
		return wrong(" must not contain control characters, such as line breaks or tabs.")
	case !strings.ContainsFunc(name, visible):
		return wrong(" needs a character that can be seen.")
	}
	return nil
}
