package signature

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/dialnote/webhooks/pkg/webhook"
)

// Tolerance is how far the time of a Standard Webhooks request may be from
// now, either way, in its own libraries.
const Tolerance = 5 * time.Minute

// Why a signature was refused. Each names what to look at; none holds a
// secret.
var (
	// ErrHeader says that a header has not the form of its scheme.
	ErrHeader = errors.New("the signature header has not the form of its scheme")

	// ErrTimestamp says that webhook-timestamp is not Unix seconds.
	ErrTimestamp = errors.New("the timestamp is not a number of Unix seconds")

	// ErrTooOld and ErrTooNew say that the request was made outside the
	// tolerance: a replay, or clocks that differ.
	ErrTooOld = errors.New("the timestamp is too old")
	ErrTooNew = errors.New("the timestamp is in the future")

	// ErrMismatch says that the signature is of other bytes, or of another key.
	ErrMismatch = errors.New("the signature does not match")
)

// VerifyDialNote returns nil when header is the X-DialNote-Signature of body,
// else ErrHeader or ErrMismatch. It compares in constant time.
func VerifyDialNote(secret string, body []byte, header string) error {
	digest, ok := strings.CutPrefix(header, dialNotePrefix)
	if !ok || len(digest) != hex.EncodedLen(sha256.Size) {
		return ErrHeader
	}
	if !equal(header, DialNote(secret, body)) {
		return ErrMismatch
	}
	return nil
}

// StandardHeaders are the three headers of Standard Webhooks.
type StandardHeaders struct {
	ID        string // webhook-id
	Timestamp string // webhook-timestamp
	Signature string // webhook-signature: signatures separated by spaces, of which one must match
}

// VerifyStandard returns nil when the headers are those of body and their time
// is within tolerance of now. Else it returns ErrSecret, ErrTimestamp,
// ErrTooOld, ErrTooNew, ErrHeader (no v1 signature among them) or ErrMismatch.
// It compares in constant time.
func VerifyStandard(secret string, headers StandardHeaders, body []byte, now time.Time, tolerance time.Duration) error {
	s, err := NewSigner(webhook.Secret(secret))
	if err != nil {
		return err
	}
	seconds, err := strconv.ParseInt(headers.Timestamp, 10, 64)
	if err != nil {
		return ErrTimestamp
	}
	at := time.Unix(seconds, 0)
	if at.Before(now.Add(-tolerance)) {
		return ErrTooOld
	}
	if at.After(now.Add(tolerance)) {
		return ErrTooNew
	}
	return s.matchAny(headers, body)
}

func (s *Signer) matchAny(headers StandardHeaders, body []byte) error {
	want := s.standard(headers.ID, headers.Timestamp, body)
	result := ErrHeader
	for given := range strings.SplitSeq(headers.Signature, " ") {
		digest, ok := strings.CutPrefix(given, standardPrefix)
		if !ok || len(digest) != base64.StdEncoding.EncodedLen(sha256.Size) {
			continue // another version's, such as v1a
		}
		if equal(given, want) {
			return nil
		}
		result = ErrMismatch
	}
	return result
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
