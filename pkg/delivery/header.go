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
	const own, client = 8, 2 // headers set here, and those that the HTTP client adds
	h := make(map[string][]string, own+client+len(w.Headers))
	values := make([]string, 0, own+len(w.Headers)) // all in one piece
	set := func(name, value string) {
		values = append(values, value)
		h[name] = values[len(values)-1 : len(values) : len(values)]
	}
	for _, added := range w.Headers {
		if !webhook.ReservedHeader(added.Name) { // it may be older than the rule
			set(added.Name, added.Value.Reveal())
		}
	}
	set("Content-Type", "application/json")
	set("X-DialNote-Signature", signer.DialNote(d.Body))
	set("X-DialNote-Event", string(d.EventType))
	set("X-DialNote-Delivery", d.ID)
	set("webhook-id", d.EventID)
	set("webhook-timestamp", strconv.FormatInt(at.Unix(), 10))
	set("webhook-signature", signer.Standard(d.EventID, at, d.Body))
	if w.Provider == webhook.Zapier {
		set("X-DialNote-Provider", "zapier")
	}
	return h
}
