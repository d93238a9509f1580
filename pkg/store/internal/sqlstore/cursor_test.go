package sqlstore

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/dialnote/webhooks/pkg/fault"
)

// Cursors come back from outside. One that no list has made is refused as the
// caller's mistake, and what is let through the database takes.
func FuzzCursors(f *testing.F) {
	for _, seed := range []string{"wh_01jd9v7q6w3k8m5n2p4r6t8v0x", "1793534400000000 att_01jd9v7q6w3k8m5n2p4r6t8v0x", "9223372036854775807 att_", "-9223372036854775808 att_x", "wh_\x00", "wh_\xff", ""} {
		f.Add(base64.RawURLEncoding.EncodeToString([]byte(seed)))
	}
	f.Add("wh_1")
	f.Fuzz(func(t *testing.T, cursor string) {
		if id, err := parseCursor(cursor, "wh_"); err != nil {
			refused(t, cursor, err)
		} else if cursor != "" {
			storable(t, cursor, id, "wh_")
		}
		at, id, err := parseLogCursor(cursor)
		if err != nil {
			refused(t, cursor, err)
			return
		}
		storable(t, cursor, id, "att_")
		if _, err := at.MarshalText(); err != nil || at.Location() != time.UTC {
			t.Errorf("%q: the time %v, %v", cursor, at, err)
		}
	})
}

func refused(t *testing.T, cursor string, err error) {
	t.Helper()
	if !fault.Is(err, fault.Invalid) {
		t.Errorf("%q: %v", cursor, err)
	}
}

func storable(t *testing.T, cursor, id, prefix string) {
	t.Helper()
	if !strings.HasPrefix(id, prefix) || !utf8.ValidString(id) || strings.Contains(id, "\x00") {
		t.Errorf("%q gives the id %q", cursor, id)
	}
}
