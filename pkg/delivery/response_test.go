package delivery_test

import (
	"testing"

	"github.com/dialnote/webhooks/pkg/delivery"
)

func TestBinary(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		body, encoding string
		want           bool
	}{
		"nothing":                      {"", "", false},
		"text":                         {"ok", "", false},
		"text in lines":                {"a\tb\r\nc\x1b[0m\f\b", "", false},
		"text in UTF-8":                {"café 😀", "", false},
		"a character cut off":          {"caf\xc3", "", false},
		"an emoji cut off":             {"😀\xf0\x9f\x98", "br", false},
		"text in Latin-1":              {"caf\xe9 ferm\xe9", "", false},
		"NUL in UTF-8":                 {"a\x00b", "", false},
		"an image":                     {"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "", true},
		"text in UTF-16":               {"\xff\xfeo\x00k\x00", "", true},
		"packed":                       {"\x8b\x02\x80ok\x03", "br", true},
		"packed, without controls":     {"\xa1\xb2", "zstd", true},
		"plain text that says gzip":    {"ok", "gzip", false},
		"a lone byte of continuation":  {"\x80", "br", true},
		"more continuation than start": {"a\x80\x80\x80\x80", "br", true},
		"a start that is none":         {"\xff", "br", true},
	} {
		if got := (delivery.Response{Body: []byte(tt.body), Encoding: tt.encoding}).Binary(); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
