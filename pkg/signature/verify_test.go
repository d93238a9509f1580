package signature_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/signature"
)

func TestVerifyDialNote(t *testing.T) {
	t.Parallel()
	secret, body := newSecret(t), []byte(`{"a":1}`)
	good := signature.DialNote(secret, body)
	flipped := good[:len(good)-1] + string(good[len(good)-1]^1)
	for header, want := range map[string]error{
		good:                                   nil,
		flipped:                                signature.ErrMismatch,
		strings.ToUpper(good):                  signature.ErrHeader,
		"sha256=" + strings.ToUpper(good[7:]):  signature.ErrMismatch,
		good[7:]:                               signature.ErrHeader,
		good + "0":                             signature.ErrHeader,
		good[:len(good)-1]:                     signature.ErrHeader,
		" " + good:                             signature.ErrHeader,
		"":                                     signature.ErrHeader,
		"sha256=":                              signature.ErrHeader,
		signature.DialNote(secret[6:], body):   signature.ErrMismatch,
		signature.DialNote(secret, body[:6]):   signature.ErrMismatch,
		signature.DialNote(newSecret(t), body): signature.ErrMismatch,
	} {
		if got := signature.VerifyDialNote(secret, body, header); !errors.Is(got, want) {
			t.Errorf("header %q: %v, want %v", header, got, want)
		}
	}
}

func TestVerifyStandard(t *testing.T) {
	t.Parallel()
	secret, body, now := newSecret(t), []byte(`{"a":1}`), time.Unix(1705314605, 0)
	sign := func(secret, id string, at time.Time, body []byte) string {
		s, err := signature.Standard(secret, id, at, body)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	good := sign(secret, "e", now, body)
	other := sign(newSecret(t), "e", now, body)
	for _, c := range []struct {
		id, timestamp, header string
		want                  error
	}{
		{"e", "1705314605", good, nil},
		{"e", "1705314605", other + " " + good, nil},
		{"e", "1705314605", good + " " + other, nil},
		{"e", "1705314605", "v1a," + good[3:] + "  " + good, nil},
		{"e", "1705314605", other, signature.ErrMismatch},
		{"f", "1705314605", good, signature.ErrMismatch},
		{"e", "1705314606", good, signature.ErrMismatch},
		{"e", "1705314605", good[:5] + "!" + good[6:], signature.ErrMismatch},
		{"e", "1705314605", good[:45] + "!=", signature.ErrMismatch},
		{"e", "1705314605", "v2," + good[3:], signature.ErrHeader},
		{"e", "1705314605", good[3:], signature.ErrHeader},
		{"e", "1705314605", good + "," + other, signature.ErrHeader},
		{"e", "1705314605", good[:len(good)-1], signature.ErrHeader},
		{"e", "1705314605", signature.DialNote(secret, body), signature.ErrHeader},
		{"e", "1705314605", "", signature.ErrHeader},
		{"e", "", good, signature.ErrTimestamp},
		{"e", "1705314605.0", good, signature.ErrTimestamp},
		{"e", "2024-01-15T10:30:05Z", good, signature.ErrTimestamp},
		{"e", "1705314305", sign(secret, "e", now.Add(-signature.Tolerance), body), nil},
		{"e", "1705314304", sign(secret, "e", now.Add(-signature.Tolerance-time.Second), body), signature.ErrTooOld},
		{"e", "1705314905", sign(secret, "e", now.Add(signature.Tolerance), body), nil},
		{"e", "1705314906", sign(secret, "e", now.Add(signature.Tolerance+time.Second), body), signature.ErrTooNew},
	} {
		headers := signature.StandardHeaders{ID: c.id, Timestamp: c.timestamp, Signature: c.header}
		if got := signature.VerifyStandard(secret, headers, body, now, signature.Tolerance); !errors.Is(got, c.want) {
			t.Errorf("%+v: %v, want %v", headers, got, c.want)
		}
	}
	headers := signature.StandardHeaders{ID: "e", Timestamp: "1705314605", Signature: good}
	if got := signature.VerifyStandard(secret, headers, []byte(`{"a":2}`), now, signature.Tolerance); !errors.Is(got, signature.ErrMismatch) {
		t.Errorf("another body: %v", got)
	}
	if got := signature.VerifyStandard(secret[6:], headers, body, now, signature.Tolerance); !errors.Is(got, signature.ErrSecret) {
		t.Errorf("a secret without its prefix: %v", got)
	}
}

// A header is accepted only when it is, or for Standard Webhooks holds between
// spaces, the one right signature.
func FuzzSignatureHeader(f *testing.F) {
	const secret = "whsec_ZGlhbG5vdGUgZ29sZGVuIHRlc3Qga2V5"
	body, now := []byte(`{"a":1}`), time.Unix(1705314605, 0)
	dialNote := signature.DialNote(secret, body)
	standard, err := signature.Standard(secret, "e", now, body)
	if err != nil {
		f.Fatal(err)
	}
	for _, header := range []string{"", dialNote, standard, "v1, " + standard, standard + " " + standard, standard + "=", "sha256=" + standard, "v1," + dialNote} {
		f.Add(header, "1705314605")
	}
	f.Add(standard, "+1705314605")
	f.Add(standard, "9223372036854775807")
	f.Fuzz(func(t *testing.T, header, timestamp string) {
		if err := signature.VerifyDialNote(secret, body, header); (err == nil) != (header == dialNote) {
			t.Errorf("dialnote header %q: %v", header, err)
		}
		headers := signature.StandardHeaders{ID: "e", Timestamp: timestamp, Signature: header}
		err := signature.VerifyStandard(secret, headers, body, now, signature.Tolerance)
		right := timestamp == "1705314605" && strings.Contains(" "+header+" ", " "+standard+" ")
		if (err == nil) != right {
			t.Errorf("standard header %q at %q: %v", header, timestamp, err)
		}
	})
}
