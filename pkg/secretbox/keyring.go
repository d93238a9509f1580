package secretbox

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/tink"
)

const (
	keySize = 32 // AES-256

	// format is the first byte of every sealed text, so that another layout
	// can follow one day. After it come the key id's length, the key id, and
	// Tink's ciphertext.
	format = 1

	maxID = 32 // characters
)

// ErrMalformed is the error of Open for what no Keyring has sealed.
var ErrMalformed = errors.New("not a sealed text")

// UnknownKeyError is the error of Open for a text that was sealed with a key
// that the setting no longer (or, on this replica, not yet) names.
type UnknownKeyError struct {
	KeyID string
}

// Error names the missing key.
func (e *UnknownKeyError) Error() string {
	return fmt.Sprintf("sealed with key %q, which is not among the encryption keys", e.KeyID)
}

// Keyring is a Box with one or more keys. The first is primary: it seals. All
// of them open.
//
// It uses AES-256-GCM-SIV: with the random nonces of AES-GCM one key is safe
// for about 2^32 texts only, and a repeated nonce would give the key away.
type Keyring struct {
	ids  []string // in the order of the setting, the primary first
	keys map[string]tink.AEAD
}

// Parse reads the setting DIALNOTE_ENCRYPTION_KEYS: one or more
// "id:base64-of-32-bytes", separated by commas, the primary key first. Its
// errors never hold any of a key's text.
func Parse(setting string) (*Keyring, error) {
	ring := &Keyring{keys: make(map[string]tink.AEAD)}
	for entry := range strings.SplitSeq(setting, ",") {
		entry = strings.TrimSpace(entry)
		id, text, _ := strings.Cut(entry, ":")
		if !validID(id) {
			return nil, fmt.Errorf("encryption key %d: write it as id:key, the id 1 to 32 letters, digits, _ or -", len(ring.keys)+1)
		}
		if _, taken := ring.keys[id]; taken {
			return nil, fmt.Errorf("encryption key %q: this id stands twice", id)
		}
		aead, err := parseKey(text)
		if err != nil {
			return nil, fmt.Errorf("encryption key %q: %w", id, err)
		}
		ring.ids, ring.keys[id] = append(ring.ids, id), aead
	}
	return ring, nil
}

func validID(id string) bool {
	const allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
	return len(id) >= 1 && len(id) <= maxID && strings.Trim(id, allowed) == ""
}

func parseKey(text string) (tink.AEAD, error) {
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(key) != keySize {
		// The decoder's own error would quote what it could not read.
		return nil, fmt.Errorf("the key must be standard base64 of %d bytes", keySize)
	}
	aead, err := subtle.NewAESGCMSIV(key)
	if err != nil {
		return nil, fmt.Errorf("prepare the key: %w", err)
	}
	return aead, nil
}

// NewKey makes a key with an id from random and returns it as Parse reads it.
// It returns an error when random cannot be read.
func NewKey(random io.Reader) (string, error) {
	buf := make([]byte, 4+keySize)
	if _, err := io.ReadFull(random, buf); err != nil {
		return "", fmt.Errorf("make encryption key: %w", err)
	}
	return "k" + hex.EncodeToString(buf[:4]) + ":" + base64.StdEncoding.EncodeToString(buf[4:]), nil
}

// Seal encrypts plain with the primary key.
func (k *Keyring) Seal(plain, associated []byte) ([]byte, error) {
	primary := k.ids[0]
	sealed, err := k.keys[primary].Encrypt(plain, associated)
	if err != nil {
		return nil, fmt.Errorf("seal with key %q: %w", primary, err)
	}
	return append(Header(primary), sealed...), nil
}

// Open decrypts what any of the keys sealed. It returns ErrMalformed, an
// *UnknownKeyError, or another error when the text was changed or the
// associated data differs.
func (k *Keyring) Open(sealed, associated []byte) ([]byte, error) {
	id, ciphertext, err := split(sealed)
	if err != nil {
		return nil, err
	}
	aead, known := k.keys[id]
	if !known {
		return nil, &UnknownKeyError{KeyID: id}
	}
	plain, err := aead.Decrypt(ciphertext, associated)
	if err != nil {
		return nil, fmt.Errorf("open with key %q: %w", id, err)
	}
	return plain, nil
}

// UnderPrimary reports whether sealed was sealed with the primary key. What is
// not should be opened and sealed again before its key is taken away.
func (k *Keyring) UnderPrimary(sealed []byte) bool {
	id, _, err := split(sealed)
	return err == nil && id == k.ids[0]
}

// KeyIDs returns the ids of the keys, the primary one first.
func (k *Keyring) KeyIDs() []string { return slices.Clone(k.ids) }

// split returns the key id and the ciphertext of a sealed text.
func split(sealed []byte) (id string, ciphertext []byte, err error) {
	if len(sealed) < 2 || sealed[0] != format {
		return "", nil, ErrMalformed
	}
	size, rest := int(sealed[1]), sealed[2:]
	if len(rest) < size || !validID(string(rest[:size])) {
		return "", nil, ErrMalformed
	}
	return string(rest[:size]), rest[size:], nil
}

// String names the keys and shows none.
func (k *Keyring) String() string {
	return fmt.Sprintf("keyring of %d, primary %s", len(k.keys), k.ids[0])
}

// GoString names the keys and shows none.
func (k *Keyring) GoString() string { return k.String() }
