package match

import (
	"net/url"

	"github.com/dialnote/webhooks/pkg/endpoint"
	"github.com/dialnote/webhooks/pkg/signature"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// Target is a webhook with what an attempt needs of it worked out once.
type Target struct {
	Webhook webhook.Webhook
	Signer  *signature.Signer // nil when the secret cannot be used
	URL     *url.URL          // in the form that is sent; nil when it cannot be
	Err     error             // why Signer or URL is nil
}

func newTarget(w webhook.Webhook) *Target {
	t := &Target{Webhook: w}
	t.URL, t.Err = endpoint.Normal(w.URL)
	if t.Err != nil {
		return t
	}
	t.Signer, t.Err = signature.NewSigner(w.Secret)
	return t
}
