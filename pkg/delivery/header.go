package delivery

import (
	"strconv"
	"time"

	"github.com/dialnote/webhooks/pkg/signature"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// UserAgent returns what requests name themselves by, for a version of this
// program.
func UserAgent(version string) string { return "DialNote-Webhooks/" + version }

// Header returns the headers of the attempt of d to w that begins at the given
// time (specification, section 4), those that w's owner added among them, but
// for the User-Agent, which all requests of a program share. The keys have the
// case that the help page documents, or that the owner typed, which
// http.Header.Set would change.
//
// The same arguments give the same headers: what was sent can be shown again.
func Header(d Delivery, w webhook.Webhook, signer *signature.Signer, at time.Time) map[string][]string {
	h := make(map[string][]string, 9+len(w.Headers))
	for _, added := range w.Headers {
		if !webhook.ReservedHeader(added.Name) { // it may be older than the rule
			h[added.Name] = []string{added.Value.Reveal()}
		}
	}
	h["Content-Type"] = []string{"application/json"}
	h["X-DialNote-Signature"] = []string{signer.DialNote(d.Body)}
	h["X-DialNote-Event"] = []string{string(d.EventType)}
	h["X-DialNote-Delivery"] = []string{d.ID}
	h["webhook-id"] = []string{d.EventID}
	h["webhook-timestamp"] = []string{strconv.FormatInt(at.Unix(), 10)}
	h["webhook-signature"] = []string{signer.Standard(d.EventID, at, d.Body)}
	if w.Provider == webhook.Zapier {
		h["X-DialNote-Provider"] = []string{"zapier"}
	}
	return h
}
