package match

import (
	"net/url"

	"github.com/dialnote/webhooks/pkg/endpoint"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/signature"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// Target is a webhook with what an attempt needs of it worked out once. It is
// shared: nobody may change it.
type Target struct {
	// Webhook has what says where an event goes and whether it goes now. What
	// is there for people alone is left out, however it is read: the name, the
	// times of creation and change, and of the health all but HoldUntil and
	// AutoDisabled. So is the secret, which is in Signer.
	Webhook webhook.Webhook

	Signer *signature.Signer // nil when the secret cannot be used
	URL    *url.URL          // in the form that is sent; nil when it cannot be
	Sent   string            // URL as text; what the owner typed when URL is nil
	Err    error             // why Signer or URL is nil
}

// set makes t the target of w.
func (t *Target) set(w *webhook.Webhook) {
	t.Webhook = needed(w)
	t.Sent = w.URL
	if t.URL, t.Err = endpoint.Normal(w.URL); t.Err != nil {
		return
	}
	if text := t.URL.String(); text != w.URL {
		t.Sent = text
	}
	t.Signer, t.Err = signature.NewSigner(w.Secret)
}

// needed returns the fields of w that a target has.
func needed(w *webhook.Webhook) webhook.Webhook {
	return webhook.Webhook{
		ID: w.ID, OrganizationID: w.OrganizationID, Provider: w.Provider, URL: w.URL, Event: w.Event,
		Headers: w.Headers, OrderedFrom: w.OrderedFrom, Version: w.Version,
		Health: webhook.Health{HoldUntil: w.Health.HoldUntil, AutoDisabled: w.Health.AutoDisabled},
	}
}

// targets are all of an organization.
type targets []Target

func newTargets(webhooks []webhook.Webhook) targets {
	all := make(targets, len(webhooks))
	for i := range webhooks {
		all[i].set(&webhooks[i])
	}
	return all
}

// sending returns those that send events of type t, in a slice that is the
// caller's; nil without any.
func (all targets) sending(t event.Type) (found []*Target) {
	for i := range all {
		if !all[i].Webhook.Event.Matches(t) {
			continue
		}
		if found == nil {
			found = make([]*Target, 0, len(all)-i)
		}
		found = append(found, &all[i])
	}
	return found
}

// find returns the one with the id, or nil.
func (all targets) find(webhookID string) *Target {
	for i := range all {
		if all[i].Webhook.ID == webhookID {
			return &all[i]
		}
	}
	return nil
}
