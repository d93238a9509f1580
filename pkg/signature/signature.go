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

// room is for the values of all headers that sign a request, in bytes.
const room = 160

// Signer signs with one secret. Its keys are decoded once. It may be used by
// several goroutines at once, and not be copied.
type Signer struct {
	whole   []byte    // the secret's text: the key of dialnote's own scheme
	decoded []byte    // what its base64 holds: the key of Standard Webhooks
	macs    sync.Pool // of *macs, those that were used before
}

// macs are what both schemes sign with. After the first use they keep what their
// key alone contributes.
type macs struct {
	dialNote, standard hash.Hash

	// What an interface is handed would be allocated each time.
	sum  [sha256.Size]byte
	head []byte
}

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

// Signed are the values of the headers that sign a request.
type Signed struct {
	DialNote  string // X-DialNote-Signature
	Timestamp string // webhook-timestamp
	Standard  string // webhook-signature
}

// Sign signs a body that is sent at a time under an event id, which holds no dot:
// what DialNote and Standard return, in one piece of memory.
func (s *Signer) Sign(id string, at time.Time, body []byte) Signed {
	m := s.borrow()
	defer s.macs.Put(m)
	text := m.appendDialNote(make([]byte, 0, room), body)
	first := len(text)
	text = strconv.AppendInt(text, at.Unix(), 10)
	second := len(text)
	text = m.appendStandard(text, id, text[first:], body)
	all := string(text)
	return Signed{DialNote: all[:first], Timestamp: all[first:second], Standard: all[second:]}
}

// DialNote returns the value of X-DialNote-Signature for a body.
func (s *Signer) DialNote(body []byte) string {
	m := s.borrow()
	defer s.macs.Put(m)
	return string(m.appendDialNote(make([]byte, 0, room), body))
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
	return string(m.appendStandard(make([]byte, 0, room), id, []byte(seconds), body))
}

// DialNote returns "sha256=" and the lower-case hex HMAC-SHA256 of body, keyed
// by the whole text of the secret, whsec_ included. It signs with any text: the
// scheme gives a secret no form.
func DialNote(secret string, body []byte) string {
	m := macs{dialNote: hmac.New(sha256.New, []byte(secret))}
	return string(m.appendDialNote(make([]byte, 0, room), body))
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

func (m *macs) appendDialNote(dst, body []byte) []byte {
	m.dialNote.Reset()
	m.dialNote.Write(body)
	return hex.AppendEncode(append(dst, dialNotePrefix...), m.dialNote.Sum(m.sum[:0]))
}

func (m *macs) appendStandard(dst []byte, id string, seconds, body []byte) []byte {
	m.head = append(append(append(append(m.head[:0], id...), '.'), seconds...), '.')
	m.standard.Reset()
	m.standard.Write(m.head)
	m.standard.Write(body)
	return base64.StdEncoding.AppendEncode(append(dst, standardPrefix...), m.standard.Sum(m.sum[:0]))
}
