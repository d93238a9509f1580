package signature

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// Scheme is one of the two signatures of a request.
type Scheme string

// The schemes.
const (
	SchemeDialNote Scheme = "dialnote" // X-DialNote-Signature
	SchemeStandard Scheme = "standard" // webhook-signature
)

// Verdict says whether a signature matches and, when it does not, why.
type Verdict string

// The verdicts. Of several that are true, Diagnose gives the first.
const (
	Matches  Verdict = "matches"
	TooOld   Verdict = "too_old" // it matches, and its time is past the tolerance
	TooNew   Verdict = "too_new" // it matches, and its time is in the future
	NoTime   Verdict = "no_time" // webhook-id or webhook-timestamp is missing, or no number
	BadForm  Verdict = "bad_form"
	Prefix   Verdict = "prefix"    // the digest is right, and what stands before it is missing
	Encoding Verdict = "encoding"  // the digest is right, written in another case or in base64
	Scheming Verdict = "scheme"    // it is the other scheme's signature of this request
	HalfKey  Verdict = "half_key"  // made with the secret without whsec_, or with what its base64 holds
	WholeKey Verdict = "whole_key" // made with the secret's text where its base64 is to be decoded

	WhiteSpace   Verdict = "white_space"  // it matches without the line breaks or spaces around the body
	Reserialised Verdict = "reserialised" // it matches the same JSON, written as it was sent
	ChangedBytes Verdict = "changed"      // it matches what was sent, which is not this body
	OtherKey     Verdict = "other_key"    // made with the secret of Diagnosis.Other
	UnknownKey   Verdict = "unknown_key"  // the body is what was sent: the key must be another
	Differs      Verdict = "differs"      // the key or the body is another; which, cannot be told
)

// Received is what a receiver got, or computed itself.
type Received struct {
	DialNote string          // the value of X-DialNote-Signature, "" without
	Standard StandardHeaders // the zero value without
	Body     []byte
}

// Known is what the sender knows.
type Known struct {
	Secret webhook.Secret
	Sent   []byte                    // the body that was sent, nil when that cannot be told
	Others map[string]webhook.Secret // secrets that may have been taken for this one, by a name for each
}

// Diagnosis is the verdict on one signature.
type Diagnosis struct {
	Scheme  Scheme
	Verdict Verdict
	Other   string // of OtherKey: whose secret it is
}

// Diagnose says of each signature in r whether it matches and why not. It
// returns ErrSecret when the secret is not one. Digests are compared in
// constant time.
func Diagnose(r Received, k Known, now time.Time) ([]Diagnosis, error) {
	s, err := NewSigner(k.Secret)
	if err != nil {
		return nil, err
	}
	var list []Diagnosis
	if r.DialNote != "" {
		list = append(list, s.diagnoseDialNote(strings.TrimSpace(r.DialNote), r, k))
	}
	if r.Standard.Signature != "" {
		list = append(list, s.diagnoseStandard(r, k, now))
	}
	return list, nil
}

func (s *Signer) diagnoseDialNote(header string, r Received, k Known) Diagnosis {
	d := Diagnosis{Scheme: SchemeDialNote, Verdict: Differs}
	switch {
	case equal(header, s.DialNote(r.Body)):
		d.Verdict = Matches
		return d
	case strings.HasPrefix(header, standardPrefix):
		d.Verdict = Scheming
		return d
	}
	given, form := readDigest(header)
	switch {
	case given == nil:
		d.Verdict = BadForm
	case hmac.Equal(given, digest(s.whole, r.Body)):
		d.Verdict = form
	case hmac.Equal(given, digest(s.whole[len(secretPrefix):], r.Body)), hmac.Equal(given, digest(s.decoded, r.Body)):
		d.Verdict = HalfKey
	default:
		d.Verdict, d.Other = blame(r.Body, k, func(secret webhook.Secret, body []byte) bool {
			return hmac.Equal(given, digest([]byte(secret.Reveal()), body))
		})
	}
	return d
}

func (s *Signer) diagnoseStandard(r Received, k Known, now time.Time) Diagnosis {
	h := r.Standard
	d := Diagnosis{Scheme: SchemeStandard, Verdict: Differs}
	seconds, err := strconv.ParseInt(h.Timestamp, 10, 64)
	switch {
	case strings.HasPrefix(h.Signature, dialNotePrefix):
		d.Verdict = Scheming
		return d
	case h.ID == "" || err != nil:
		d.Verdict = NoTime
		return d
	}
	matches := func(key, body []byte) bool {
		return (&Signer{decoded: key}).matchAny(h, body) == nil
	}
	at := time.Unix(seconds, 0)
	switch {
	case matches(s.decoded, r.Body) && at.Before(now.Add(-Tolerance)):
		d.Verdict = TooOld
	case matches(s.decoded, r.Body) && at.After(now.Add(Tolerance)):
		d.Verdict = TooNew
	case matches(s.decoded, r.Body):
		d.Verdict = Matches
	case matches(s.whole, r.Body), matches(s.whole[len(secretPrefix):], r.Body):
		d.Verdict = WholeKey
	case equal(h.Signature, strings.TrimPrefix(s.standard(h.ID, h.Timestamp, r.Body), standardPrefix)):
		d.Verdict = Prefix
	case s.matchAny(h, nil) == ErrHeader: //nolint:errorlint // it is returned as it is
		d.Verdict = BadForm
	default:
		d.Verdict, d.Other = blame(r.Body, k, func(secret webhook.Secret, body []byte) bool {
			other, err := NewSigner(secret)
			return err == nil && matches(other.decoded, body)
		})
	}
	return d
}

// blame says whether the body or the key is another.
func blame(body []byte, k Known, matches func(webhook.Secret, []byte) bool) (v Verdict, other string) {
	trimmed := bytes.TrimSpace(body)
	unix := bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n"))
	if matches(k.Secret, trimmed) || matches(k.Secret, unix) || matches(k.Secret, bytes.TrimSpace(unix)) {
		return WhiteSpace, ""
	}
	canonical, err := event.Canonical(body)
	if err == nil && matches(k.Secret, canonical) {
		return Reserialised, ""
	}
	if k.Sent != nil && matches(k.Secret, k.Sent) {
		return ChangedBytes, ""
	}
	for name, secret := range k.Others {
		if matches(secret, body) || err == nil && matches(secret, canonical) || k.Sent != nil && matches(secret, k.Sent) {
			return OtherKey, name
		}
	}
	if k.Sent != nil {
		return UnknownKey, ""
	}
	return Differs, ""
}

func digest(key, body []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(body)
	return mac.Sum(nil)
}

// readDigest returns the digest that a header holds in whatever form, nil when
// it holds none, and what is unusual about the form.
func readDigest(header string) (sum []byte, form Verdict) {
	text, prefixed := strings.CutPrefix(header, dialNotePrefix)
	form = Encoding
	if !prefixed {
		form = Prefix
	}
	if sum, err := hex.DecodeString(text); err == nil && len(sum) == sha256.Size {
		return sum, form
	}
	if sum, err := base64.StdEncoding.DecodeString(text); err == nil && len(sum) == sha256.Size {
		return sum, Encoding
	}
	return nil, BadForm
}
