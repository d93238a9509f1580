package match

import (
	"net/url"

	"github.com/dialnote/webhooks/pkg/endpoint"
	"github.com/dialnote/webhooks/pkg/signature"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// Target is a webhook with what an attempt needs of it: its URL is parsed and
// its keys are decoded. Several goroutines share a Target; none may change it.
type Target struct {
	// Webhook has the fields that say where an event goes and whether it goes
	// now. The name, the time of creation, that of the change unless the webhook is
	// ordered, the secret, and of the health all but HoldUntil and AutoDisabled are
	// left out.
	Webhook webhook.Webhook

	Signer *signature.Signer // nil when the secret cannot be used
	URL    *url.URL          // in the form that is sent; nil when the URL cannot be used
	Sent   string            // URL as text; what the owner typed when URL is nil
	Err    error             // why Signer or URL is nil
}

// newTarget returns the target of w, whose fields are those of Target.Webhook
// and the secret.
func newTarget(w webhook.Webhook) *Target {
	secret := w.Secret
	w.Secret = ""
	t := &Target{Webhook: w, Sent: w.URL}
	if t.URL, t.Err = endpoint.Normal(w.URL); t.Err != nil {
		return t
	}
	if text := t.URL.String(); text != w.URL {
		t.Sent = text
	}
	t.Signer, t.Err = signature.NewSigner(secret)
	return t
}
