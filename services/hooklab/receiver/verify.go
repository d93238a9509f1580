package receiver

import (
	"net/http"
	"time"

	"github.com/dialnote/webhooks/pkg/signature"
)

// Verdict is what a signature turned out to be.
type Verdict string

// The verdicts.
const (
	Unverified Verdict = "unverified" // no secret is known for the path
	Verified   Verdict = "verified"
	Wrong      Verdict = "wrong"  // made with another secret, over other bytes, or too old
	Absent     Verdict = "absent" // a secret is known, and the request is not signed
)

// verify returns the verdicts on both signatures of a request. One right secret
// is enough: several webhooks may send to the same path.
func verify(header http.Header, body []byte, secrets []string, now time.Time) (dialNote, standard Verdict) {
	given := header.Get("X-DialNote-Signature")
	dialNote = verdict(given, secrets, func(secret string) error {
		return signature.VerifyDialNote(secret, body, given)
	})
	headers := signature.StandardHeaders{
		ID:        header.Get("webhook-id"),
		Timestamp: header.Get("webhook-timestamp"),
		Signature: header.Get("webhook-signature"),
	}
	standard = verdict(headers.Signature, secrets, func(secret string) error {
		return signature.VerifyStandard(secret, headers, body, now, signature.Tolerance)
	})
	return dialNote, standard
}

func verdict(given string, secrets []string, check func(secret string) error) Verdict {
	switch {
	case len(secrets) == 0:
		return Unverified
	case given == "":
		return Absent
	}
	for _, secret := range secrets {
		if check(secret) == nil {
			return Verified
		}
	}
	return Wrong
}
