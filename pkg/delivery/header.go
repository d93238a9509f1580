package delivery

import (
	"strings"
	"time"

	"github.com/dialnote/webhooks/pkg/signature"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// UserAgent returns what requests name themselves by, for a version of this
// program.
func UserAgent(version string) string { return "DialNote-Webhooks/" + version }

// Field is one header of a request: a field line (RFC 9110, section 5). Its
// name has the case in which HTTP/1.1 sends it.
type Field struct{ Name, Value string }

// Fields are the headers of a request, in the order in which they are sent.
type Fields []Field

// Has reports whether a header is among f. Names are equal in any case.
func (f Fields) Has(name string) bool {
	for _, field := range f {
		if len(field.Name) == len(name) && strings.EqualFold(field.Name, name) {
			return true
		}
	}
	return false
}

// Header returns the headers by their names, in the form of net/http.
func (f Fields) Header() map[string][]string {
	const client = 2 // that an HTTP client adds
	h := make(map[string][]string, len(f)+client)
	for _, field := range f {
		h[field.Name] = append(h[field.Name], field.Value)
	}
	return h
}

// Header returns the headers of the attempt of d to w that begins at the given
// time (specification, section 4), those that w's owner added first, but for the
// User-Agent, which all requests of a program share. An Accept that the owner
// added takes the place of ours. The names have the case that
// the help page documents, or that the owner typed.
//
// The same arguments give the same headers: what was sent can be shown again.
func Header(d Delivery, w webhook.Webhook, signer *signature.Signer, at time.Time) Fields {
	const own = 10 // headers set here, and the User-Agent
	f := make(Fields, 0, own+len(w.Headers))
	for _, added := range w.Headers {
		if !webhook.ReservedHeader(added.Name) { // it may be older than the rule
			f = append(f, Field{added.Name, added.Value.Reveal()})
		}
	}
	if !f.Has("Accept") {
		f = append(f, Field{"Accept", "*/*"}) // some firewalls refuse a request without it
	}
	signed := signer.Sign(d.EventID, at, d.Body)
	f = append(f,
		Field{"Content-Type", "application/json"},
		Field{"X-DialNote-Signature", signed.DialNote},
		Field{"X-DialNote-Event", string(d.EventType)},
		Field{"X-DialNote-Delivery", d.ID},
		Field{"webhook-id", d.EventID},
		Field{"webhook-timestamp", signed.Timestamp},
		Field{"webhook-signature", signed.Standard},
	)
	if w.Provider == webhook.Zapier {
		f = append(f, Field{"X-DialNote-Provider", "zapier"})
	}
	return f
}
