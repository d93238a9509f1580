package signature

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/dialnote/webhooks/pkg/webhook"
)

// The form of a secret: 24 bytes are exactly 32 characters of base64, so there
// is no padding to lose in copying.
const (
	secretPrefix = "whsec_"
	secretBytes  = 24
)

// ErrSecret says that a text is not a webhook secret. It does not hold the
// text.
var ErrSecret = errors.New("a secret is whsec_ and the standard base64 of 24 bytes")

// NewSecret returns a new secret from 24 bytes of random, which is
// crypto/rand.Reader outside tests. It returns an error when random has less.
func NewSecret(random io.Reader) (webhook.Secret, error) {
	var key [secretBytes]byte
	if _, err := io.ReadFull(random, key[:]); err != nil {
		return "", fmt.Errorf("read random bytes for a secret: %w", err)
	}
	return webhook.Secret(secretPrefix + base64.StdEncoding.EncodeToString(key[:])), nil
}

// CheckSecret returns ErrSecret unless secret has the form of one.
func CheckSecret(secret webhook.Secret) error {
	_, err := decodeSecret(secret.Reveal())
	return err
}

func decodeSecret(secret string) ([]byte, error) {
	text, ok := strings.CutPrefix(secret, secretPrefix)
	if !ok || len(text) != base64.StdEncoding.EncodedLen(secretBytes) {
		return nil, ErrSecret
	}
	// The decoder skips line breaks, which leaves too few bytes.
	key, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(key) != secretBytes {
		return nil, ErrSecret
	}
	return key, nil
}
