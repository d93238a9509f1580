package cli_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"

	"github.com/dialnote/webhooks/pkg/cli"
)

func TestWhatATerminalWouldObeyIsEscaped(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"":                           "",
		"plain, é, 日本, 👍\n\ttext":    "plain, é, 日本, 👍\n\ttext",
		"\x1b]0;title\a":             `\u001b]0;title\u0007`,
		"\x1b[2J\x1b[1;1H":           `\u001b[2J\u001b[1;1H`,
		"over\rwritten\b":            `over\u000dwritten\u0008`,
		"\u009b31mred":               `\u009b31mred`,
		"\x9b31m":                    `\x9b31m`,
		"del\x7f nul\x00":            `del\u007f nul\u0000`,
		"user\u202etxt.exe\u2066":    `user\u202etxt.exe\u2066`,
		"line\u2028line\u2029\u200f": `line\u2028line\u2029\u200f`,
		"\xff\xc3":                   `\xff\xc3`,
		"� is itself":                "� is itself",
	} {
		var out bytes.Buffer
		n, err := fmt.Fprint(cli.Printable(&out), given)
		if err != nil || n != len(given) || out.String() != want {
			t.Errorf("%q: %q, %d, %v; want %q", given, out.String(), n, err, want)
		}
	}
}

func TestNothingElseIsPrinted(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var out bytes.Buffer
		_, _ = cli.Printable(&out).Write(rapid.SliceOf(rapid.Byte()).Draw(t, "text"))
		left := strings.Map(func(r rune) rune {
			if r == '\n' || r == '\t' || !unicode.IsControl(r) {
				return -1
			}
			return r
		}, out.String())
		if left != "" {
			t.Fatalf("%q has %q", out.String(), left)
		}
	})
}
