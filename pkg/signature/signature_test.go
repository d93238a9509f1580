package signature_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/dialnote/webhooks/pkg/signature"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// vector is an entry of the golden signatures, which were made by another
// implementation.
type vector struct {
	Body     string `json:"body"` // a file beside it
	Secret   string `json:"secret"`
	ID       string `json:"webhookId"`
	Seconds  string `json:"webhookTimestamp"`
	DialNote string `json:"xDialNoteSignature"`
	Standard string `json:"webhookSignature"`
}

func goldenVectors(t *testing.T) (vectors []vector, bodies [][]byte) {
	t.Helper()
	const golden = "../../proto/golden"
	text, err := os.ReadFile(filepath.Join(golden, "signatures.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors) < 5 {
		t.Fatalf("only %d vectors", len(vectors))
	}
	for _, v := range vectors {
		body, err := os.ReadFile(filepath.Join(golden, v.Body))
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, body)
	}
	return vectors, bodies
}

func newSecret(t *testing.T) string {
	t.Helper()
	secret, err := signature.NewSecret(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return secret.Reveal()
}

func TestGoldenSignatures(t *testing.T) {
	t.Parallel()
	vectors, bodies := goldenVectors(t)
	for i, v := range vectors {
		seconds, err := strconv.ParseInt(v.Seconds, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		at := time.Unix(seconds, 999_999_999)
		if got := signature.DialNote(v.Secret, bodies[i]); got != v.DialNote {
			t.Errorf("%s: %s, want %s", v.Body, got, v.DialNote)
		}
		got, err := signature.Standard(v.Secret, v.ID, at, bodies[i])
		if err != nil || got != v.Standard {
			t.Errorf("%s: %s, %v, want %s", v.Body, got, err, v.Standard)
		}
		if err := signature.VerifyDialNote(v.Secret, bodies[i], v.DialNote); err != nil {
			t.Errorf("%s: %v", v.Body, err)
		}
		headers := signature.StandardHeaders{ID: v.ID, Timestamp: v.Seconds, Signature: v.Standard}
		if err := signature.VerifyStandard(v.Secret, headers, bodies[i], at, 0); err == nil {
			t.Errorf("%s: a second's part is within no tolerance", v.Body)
		}
		if err := signature.VerifyStandard(v.Secret, headers, bodies[i], at, time.Second); err != nil {
			t.Errorf("%s: %v", v.Body, err)
		}
	}
}

func TestStandardWebhooksLibraryAccepts(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", "{}", `{"a":"` + strings.Repeat("é", 50_000) + `"}`} {
		secret, at := newSecret(t), time.Now()
		library, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		signed, err := signature.Standard(secret, "evt_1", at, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		header := http.Header{}
		header.Set(standardwebhooks.HeaderWebhookID, "evt_1")
		header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
		header.Set(standardwebhooks.HeaderWebhookSignature, signed)
		if err := library.Verify([]byte(body), header); err != nil {
			t.Errorf("the library refuses: %v", err)
		}
		if err := library.Verify([]byte(body+" "), header); err == nil {
			t.Error("the library accepts another body")
		}
	}
}

func TestSignerIsTheFunctions(t *testing.T) {
	t.Parallel()
	secret, at, body := newSecret(t), time.Unix(-5, 0), []byte("body")
	signer, err := signature.NewSigner(webhook.Secret(secret))
	if err != nil {
		t.Fatal(err)
	}
	standard, err := signature.Standard(secret, strings.Repeat("i", 500), at, body)
	if err != nil {
		t.Fatal(err)
	}
	if signer.DialNote(body) != signature.DialNote(secret, body) || signer.Standard(strings.Repeat("i", 500), at, body) != standard {
		t.Error("a signer and the functions differ")
	}
}

func TestNewSecret(t *testing.T) {
	t.Parallel()
	secret, err := signature.NewSecret(bytes.NewReader([]byte("\xff\xef\xbe0123456789abcdefghijk-")))
	if err != nil || secret.Reveal() != "whsec_/+++MDEyMzQ1Njc4OWFiY2RlZmdoaWpr" {
		t.Errorf("%s, %v", secret.Reveal(), err)
	}
	if _, err := signature.NewSecret(bytes.NewReader(make([]byte, 23))); err == nil {
		t.Error("a secret of too few random bytes")
	}
	if first, second := newSecret(t), newSecret(t); first == second {
		t.Error("two secrets are the same")
	}
}

func TestCheckSecret(t *testing.T) {
	t.Parallel()
	good := newSecret(t)
	if err := signature.CheckSecret(webhook.Secret(good)); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{
		"", "whsec_", good[6:], good[:37], good + "A", good + "=", " " + good, good + "\n",
		"WHSEC_" + good[6:], good[:20] + "\n" + good[21:], good[:20] + "-" + good[21:], good[:20] + "é" + good[22:],
		"whsec_" + strings.Repeat("A", 31) + "=", "whsec_" + strings.Repeat("A", 28) + "\n\n\n\n",
	} {
		if err := signature.CheckSecret(webhook.Secret(bad)); !errors.Is(err, signature.ErrSecret) {
			t.Errorf("CheckSecret(%q): %v", bad, err)
		}
		if _, err := signature.Standard(bad, "e", time.Now(), nil); !errors.Is(err, signature.ErrSecret) {
			t.Errorf("Standard(%q): %v", bad, err)
		}
	}
}

func BenchmarkSigner(b *testing.B) {
	signer, err := signature.NewSigner("whsec_ZGlhbG5vdGUgZ29sZGVuIHRlc3Qga2V5")
	if err != nil {
		b.Fatal(err)
	}
	body, at := bytes.Repeat([]byte("x"), 570), time.Unix(1705314605, 0)
	b.Run("dialnote", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = signer.DialNote(body)
		}
	})
	b.Run("standard", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = signer.Standard("evt_01hm6a3kz0v8w2c4xq5y7n9rbt", at, body)
		}
	})
}
