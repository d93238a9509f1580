// Package signature makes and checks the two signatures that every request
// carries: dialnote's own, in X-DialNote-Signature, and that of Standard
// Webhooks 1.0.0, in webhook-signature. One secret serves both.
package signature

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"strconv"
	"sync"
	"time"

	"github.com/dialnote/webhooks/pkg/webhook"
)

// What stands before the digest in the two headers.
const (
	dialNotePrefix = "sha256="
	standardPrefix = "v1,"
)

// Signer signs with one secret. Its keys are decoded once. It may be used by
// several goroutines at once, and not be copied.
type Signer struct {
	whole   []byte    // the secret's text: the key of dialnote's own scheme
	decoded []byte    // what its base64 holds: the key of Standard Webhooks
	macs    sync.Pool // of *macs, those that were used before
}

// macs are what both schemes sign with. After the first use they keep what their
// key alone contributes.
type macs struct{ dialNote, standard hash.Hash }

func (s *Signer) borrow() *macs {
	if m, ok := s.macs.Get().(*macs); ok {
		return m
	}
	return &macs{dialNote: hmac.New(sha256.New, s.whole), standard: hmac.New(sha256.New, s.decoded)}
}

// NewSigner returns the signer of a secret, or ErrSecret when it is not one.
func NewSigner(secret webhook.Secret) (*Signer, error) {
	decoded, err := decodeSecret(secret.Reveal())
	if err != nil {
		return nil, err
	}
	return &Signer{whole: []byte(secret.Reveal()), decoded: decoded}, nil
}

// DialNote returns the value of X-DialNote-Signature for a body.
func (s *Signer) DialNote(body []byte) string {
	m := s.borrow()
	defer s.macs.Put(m)
	return dialNote(m.dialNote, body)
}

// Standard returns the value of webhook-signature for a body sent at a time
// under an event id, which holds no dot. webhook-timestamp must be the Unix
// seconds of the same time.
func (s *Signer) Standard(id string, at time.Time, body []byte) string {
	return s.standard(id, strconv.FormatInt(at.Unix(), 10), body)
}

func (s *Signer) standard(id, seconds string, body []byte) string {
	m := s.borrow()
	defer s.macs.Put(m)
	return standard(m.standard, id, seconds, body)
}

// DialNote returns "sha256=" and the lower-case hex HMAC-SHA256 of body, keyed
// by the whole text of the secret, whsec_ included. It signs with any text: the
// scheme gives a secret no form.
func DialNote(secret string, body []byte) string {
	return dialNote(hmac.New(sha256.New, []byte(secret)), body)
}

// Standard returns "v1," and the base64 HMAC-SHA256 of "id.seconds.body", keyed
// by what the secret's base64 holds. It returns ErrSecret when secret has not
// the form of one.
func Standard(secret, id string, at time.Time, body []byte) (string, error) {
	s, err := NewSigner(webhook.Secret(secret))
	if err != nil {
		return "", err
	}
	return s.Standard(id, at, body), nil
}

func dialNote(mac hash.Hash, body []byte) string {
	mac.Reset()
	mac.Write(body)
	var sum [sha256.Size]byte
	text := make([]byte, 0, len(dialNotePrefix)+2*sha256.Size)
	return string(hex.AppendEncode(append(text, dialNotePrefix...), mac.Sum(sum[:0])))
}

func standard(mac hash.Hash, id, seconds string, body []byte) string {
	mac.Reset()
	var head [192]byte
	mac.Write(append(append(append(append(head[:0], id...), '.'), seconds...), '.'))
	mac.Write(body)
	var sum [sha256.Size]byte
	text := make([]byte, 0, len(standardPrefix)+44)
	return string(base64.StdEncoding.AppendEncode(append(text, standardPrefix...), mac.Sum(sum[:0])))
}
