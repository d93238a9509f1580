package access_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/dialnote/webhooks/pkg/access"
)

func TestCredentialsAreLongAndPrintAsMasks(t *testing.T) {
	t.Parallel()
	for prefix, generate := range map[string]func(io.Reader) (access.Secret, error){
		"dnk_": access.NewKey, "dnl_": access.NewLink, "dns_": access.NewSession,
	} {
		s, err := generate(bytes.NewReader(bytes.Repeat([]byte{0xfb}, 32)))
		if err != nil {
			t.Fatal(err)
		}
		text := s.Reveal()
		if want := prefix + "-_v7" + strings.Repeat("-_v7", 9) + "-_s"; text != want || s.LastCharacters() != "7-_s" {
			t.Errorf("got %s, want %s", text, want)
		}
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("made", slog.Any("secret", s))
		inJSON, err := json.Marshal(map[string]any{"s": s})
		if err != nil {
			t.Fatal(err)
		}
		for _, shown := range []string{fmt.Sprint(s), fmt.Sprintf("%v %s %q %#v %+v", s, s, s, s, access.ZapierKey{Key: s}), log.String(), string(inJSON)} {
			if strings.Contains(shown, "-_v7") {
				t.Errorf("shown as %s", shown)
			}
		}
		if _, err := generate(strings.NewReader("short")); err == nil {
			t.Error("made of too little chance")
		}
	}
}
